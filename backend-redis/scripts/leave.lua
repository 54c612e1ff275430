-- Transition: none. Removes a waiter whose caller is gone, and returns the wake-ups that its reads
-- took.
-- Keys: meta. Args: waiter, whether its last read was lost with its connection (0, 1), wake lists.
-- Result: nothing.
-- Repeated: a list that has a wake-up gets no second one.
--
-- The server may still be executing a read whose connection vanished. Left alone, that read would
-- swallow the next wake-up.
begin()
local waiter, lost, lists = arg(), arg() == '1', {}
for i = 1, number() do lists[i] = arg() end
leave(waiter)
if lost then end_read(waiter) end
chunked('HDEL', P .. 'standby', lists)
for _, list in ipairs(lists) do
  if has_work(list) then wake(list, 1, true) end
end
finish_writes()
return false
