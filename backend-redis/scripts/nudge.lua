-- Transition: none. Ends the blocking read of one waiter.
-- Keys: meta. Args: waiter.
-- Result: nothing.
-- Twice: a waiter takes its wake-ups away before it waits again.
begin()
local waiter = arg()
if call('ZSCORE', P .. 'waiting', waiter) then
  call('RPUSH', P .. 'p:' .. waiter, '1')
  -- Safe to lose: the read ends by itself.
  call('PEXPIRE', P .. 'p:' .. waiter, 5000)
end
return false
