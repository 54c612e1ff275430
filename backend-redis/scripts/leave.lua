-- Transition: none. Removes a waiter whose caller is gone, and returns the wake-up that its last
-- read took.
-- Keys: meta. Args: waiter, wake list (may be empty), whether its last read was lost with its
-- connection (0, 1).
-- Result: nothing.
-- Repeated: a list that has a wake-up gets no second one.
--
-- The server may still be executing a read whose connection vanished. Left alone, that read would
-- swallow the next wake-up.
begin()
local waiter, list, lost = arg(), optional(), arg() == '1'
leave(waiter)
if lost then end_read(waiter) end
if list and (string.sub(list, -2) == '|*' or has_work(list)) then push(list, 1) end
finish_writes()
return false
