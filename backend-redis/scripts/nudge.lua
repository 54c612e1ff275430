-- Transition: none. Ends the blocking read of one waiter.
-- Keys: meta. Args: waiter.
-- Result: nothing.
-- Twice: a waiter takes its wake-ups away before it waits again.
begin()
local waiter = arg()
if call('ZSCORE', P .. 'waiting', waiter) then end_read(waiter) end
return false
