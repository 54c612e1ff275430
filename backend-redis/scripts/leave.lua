-- Transition: none. Takes out a waiter whose caller is gone, and gives back the wake-up that its last read took.
-- Keys: meta. Args: waiter, wake list (may be empty), whether its last read was lost with its connection (0, 1).
-- Result: nothing.
-- Twice: a list that has a wake-up gets no other.
--
-- A read whose connection is gone without a word is still under way here. Left alone it would take the next wake-up for
-- nobody.
begin()
local waiter, list, lost = arg(), optional(), arg() == '1'
leave(waiter)
if lost then end_read(waiter) end
if list and (string.sub(list, -2) == '|*' or has_work(list)) then push(list, 1) end
finish_writes()
return false
