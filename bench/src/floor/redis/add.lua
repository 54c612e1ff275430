-- Args: microseconds from now, then key and args of each task. Answers how many were taken.
local time = redis.call('TIME')
local at = string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[1])
local keys = {}
for i = 2, #ARGV, 2 do keys[#keys + 1] = ARGV[i] end
local there = redis.call('HMGET', 'floor:tasks', unpack(keys))
local seq = redis.call('INCRBY', 'floor:seq', #keys) - #keys
local records, due = {}, {}
for i, key in ipairs(keys) do
  if not there[i] then
    -- A record: its seq, its fence (none yet), its args.
    records[#records + 1] = key
    records[#records + 1] = struct.pack('>I8I8', seq + i, 0) .. ARGV[2 * i + 1]
    due[#due + 1] = at
    due[#due + 1] = struct.pack('>I8', seq + i) .. key
  end
end
if #due > 0 then
  redis.call('HSET', 'floor:tasks', unpack(records))
  redis.call('ZADD', 'floor:due', unpack(due))
end
if redis.call('LLEN', 'floor:wake') == 0 then redis.call('RPUSH', 'floor:wake', '1') end
return #due / 2
