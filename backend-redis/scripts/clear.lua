-- Transition: any -> absent. Fence, seq, time, layout and environment stay.
-- Keys: meta. Args: none.
-- Result: the number of tasks deleted.
-- Repeated: finds nothing. It only deletes, so it works when the server is out of memory. UNLINK
-- frees large values in the background.
begin()
local gone = call('HLEN', P .. 'tasks')
for _, index in ipairs(all_indexes()) do call('UNLINK', P .. index) end
for _, list in ipairs(call('SMEMBERS', P .. 'wakes')) do call('UNLINK', P .. list) end
-- Safe to lose: a waiter without its entry still waits on the lists of its lanes.
for _, waiter in ipairs(call('ZRANGE', P .. 'waiting', 0, -1)) do call('UNLINK', P .. 'p:' .. waiter) end
for _, rest in ipairs({
  'tasks', 'args', 'results', 'successors', 'queued', 'leased', 'finished', 'dead', 'kept', 'finished_counts', 'corrupt',
  'requests:0', 'requests:1', 'workers', 'wakes', 'waiting', 'armed', 'standby',
}) do
  call('UNLINK', P .. rest)
end
call('HDEL', META, 'finished_bytes', 'dead_bytes')
return gone
