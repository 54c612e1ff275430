-- Args: microseconds of retention, how many are kept at most, then key and fence of each. Answers how many were settled.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local expires = string.format('%.0f', now + ARGV[1])
local keys, fences = {}, {}
for i = 3, #ARGV, 2 do
  keys[#keys + 1] = ARGV[i]
  fences[#fences + 1] = struct.pack('>I8', tonumber(ARGV[i + 1]))
end
local records = redis.call('HMGET', 'floor:tasks', unpack(keys))
local writes, members, finished = {}, {}, {}
for i, record in ipairs(records) do
  if record and string.sub(record, 9, 16) == fences[i] then
    writes[#writes + 1] = keys[i]
    -- Settled: no fence is current any longer.
    writes[#writes + 1] = string.sub(record, 1, 8) .. struct.pack('>I8', 0) .. string.sub(record, 17)
    members[#members + 1] = string.sub(record, 1, 8) .. keys[i]
    finished[#finished + 1] = expires
    finished[#finished + 1] = keys[i]
  end
end
if #members > 0 then
  redis.call('HSET', 'floor:tasks', unpack(writes))
  redis.call('ZREM', 'floor:run', unpack(members))
  redis.call('ZADD', 'floor:finished', unpack(finished))
end
local left = 100 + #members
local old = redis.call('ZRANGEBYSCORE', 'floor:finished', '-inf', string.format('%.0f', now), 'LIMIT', 0, left)
local beyond = math.min(redis.call('ZCARD', 'floor:finished') - ARGV[2], left)
if beyond > #old then old = redis.call('ZRANGE', 'floor:finished', 0, beyond - 1) end
if #old > 0 then
  redis.call('ZREM', 'floor:finished', unpack(old))
  redis.call('HDEL', 'floor:tasks', unpack(old))
end
return #members
