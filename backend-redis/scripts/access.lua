-- Transition: none. Asks which commands of the scripts this user may not run. Before Redis 7 a
-- server cannot tell.
-- Keys: meta. Args: none.
-- Result: the denied commands, each once.
-- Order matters: no other part precedes this script, so that its answer does not depend on those
-- commands.
local META = KEYS[1]
local denied = {}
if not redis.acl_check_cmd then return denied end
local needed = {
  'BLPOP K 1', 'DEL K', 'EXISTS K', 'HDEL K f', 'HEXISTS K f', 'HGET K f', 'HGETALL K', 'HINCRBY K f 1', 'HLEN K',
  'HMGET K f', 'HSCAN K 0', 'HSET K f v', 'LLEN K', 'PEXPIRE K 1', 'RPUSH K v', 'SADD K m', 'SMEMBERS K', 'TIME',
  'UNLINK K', 'ZADD K 1 m', 'ZCARD K', 'ZCOUNT K 0 1', 'ZMSCORE K m', 'ZRANGE K 0 1', 'ZRANGEBYSCORE K 0 1',
  'ZREM K m', 'ZREMRANGEBYRANK K 0 1', 'ZSCORE K m',
}
for _, line in ipairs(needed) do
  local words = {}
  for word in string.gmatch(line, '%S+') do words[#words + 1] = word == 'K' and META or word end
  if not redis.acl_check_cmd(unpack(words)) then denied[#denied + 1] = words[1] end
end
return denied
