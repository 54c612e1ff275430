-- Transition: none. Ends the blocking read of one waiter.
-- Keys: meta. Args: waiter.
-- Result: nothing.
-- Repeated: a waiter discards its wake-ups before it waits again.
begin()
local waiter = arg()
if call('ZSCORE', P .. 'waiting', waiter) then end_read(waiter) end
return false
