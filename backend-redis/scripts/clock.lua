-- Transition: none. Sets the server's clock as the docket sees it, for tests; every waiter wakes.
-- Keys: meta. Args: microseconds.
-- Result: set, notempty (the first setting needs a docket without tasks).
-- Twice: the same.
local moment = number()
if frozen then
  note_time()
else
  if call('EXISTS', P .. 'tasks', P .. 'corrupt') > 0 then
    return 'notempty'
  end
  call('HSET', META, 'seen', whole(moment))
  call('HDEL', META, 'offset', 'settled', 'steps')
end
call('HSET', META, 'clock', whole(moment))
for _, waiter in ipairs(call('ZRANGE', P .. 'waiting', 0, -1)) do
  call('RPUSH', P .. 'p:' .. waiter, '1')
  -- Safe to lose: the read ends by itself.
  call('PEXPIRE', P .. 'p:' .. waiter, 5000)
end
return 'set'
