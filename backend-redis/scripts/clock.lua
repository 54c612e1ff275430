-- Transition: none. Sets the docket's clock, for tests; every waiter wakes.
-- Keys: meta. Args: microseconds.
-- Result: set, notempty (the first setting needs a docket without tasks), backwards.
-- Twice: the same.
local moment = number()
if not frozen then
  if call('EXISTS', P .. 'tasks', P .. 'corrupt') > 0 then
    return 'notempty'
  end
elseif moment < now then
  return 'backwards'
end
call('HSET', META, 'clock', whole(moment), 'seen', whole(moment))
for _, waiter in ipairs(call('ZRANGE', P .. 'waiting', 0, -1)) do
  call('RPUSH', P .. 'p:' .. waiter, '1')
  -- Safe to lose: the read ends by itself.
  call('PEXPIRE', P .. 'p:' .. waiter, 5000)
end
return 'set'
