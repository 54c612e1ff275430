-- Transition: none. Takes out a waiter whose caller is gone, and gives back the wake-up that its last read took.
-- Keys: meta. Args: waiter, wake list (may be empty).
-- Result: nothing.
-- Twice: a list holds at most one wake-up.
begin()
local waiter, list = arg(), optional()
leave(waiter)
if list and (string.sub(list, -2) == '|*' or has_work(list)) then push(list) end
finish_writes()
return false
