-- Transition: none. Sets the clock override of tests and wakes every waiter.
-- Keys: meta. Args: microseconds.
-- Result: set, notempty (the first override needs a docket without tasks).
-- Repeated: the same.
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
  -- Safe to lose: the read times out by itself.
  call('PEXPIRE', P .. 'p:' .. waiter, 5000)
end
return 'set'
