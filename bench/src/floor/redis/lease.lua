-- Args: how many, microseconds of the lease. Answers key, fence and args of each, then microseconds until the next.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local late = redis.call('ZRANGEBYSCORE', 'floor:run', '-inf', string.format('%.0f', now), 'LIMIT', 0, 100)
for _, member in ipairs(late) do
  redis.call('ZREM', 'floor:run', member)
  redis.call('ZADD', 'floor:due', string.format('%.0f', now), member)
end
local members = redis.call('ZRANGEBYSCORE', 'floor:due', '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
local reply = {}
if #members > 0 then
  local deadline = string.format('%.0f', now + ARGV[2])
  local keys, run = {}, {}
  for i, member in ipairs(members) do
    keys[i] = string.sub(member, 9)
    run[2 * i - 1], run[2 * i] = deadline, member
  end
  local records = redis.call('HMGET', 'floor:tasks', unpack(keys))
  local fence = redis.call('INCRBY', 'floor:fence', #members) - #members
  local writes = {}
  for i, record in ipairs(records) do
    local args = string.sub(record, 17)
    writes[2 * i - 1] = keys[i]
    writes[2 * i] = string.sub(record, 1, 8) .. struct.pack('>I8', fence + i) .. args
    reply[#reply + 1] = keys[i]
    reply[#reply + 1] = string.format('%.0f', fence + i)
    reply[#reply + 1] = args
  end
  redis.call('HSET', 'floor:tasks', unpack(writes))
  redis.call('ZREM', 'floor:due', unpack(members))
  redis.call('ZADD', 'floor:run', unpack(run))
end
local head = redis.call('ZRANGE', 'floor:due', 0, 0, 'WITHSCORES')[2]
local first = redis.call('ZRANGE', 'floor:run', 0, 0, 'WITHSCORES')[2]
local next = math.min(tonumber(head) or math.huge, tonumber(first) or math.huge)
reply[#reply + 1] = next < math.huge and string.format('%.0f', math.max(next - now, 0)) or ''
return reply
