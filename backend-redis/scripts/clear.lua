-- Transition: any -> absent, a chunk of the docket at a time. Fence, seq, time, layout and environment stay.
-- Keys: meta. Args: none.
-- Result: how many tasks went, and whether there is more (0, 1).
-- Twice: goes on where it was. Only deletes, so it also works when the server is out of memory.
local gone = 0

local function drop(index, prefix_bytes)
  local members = call('ZRANGE', P .. index, 0, CHUNK - 1)
  if #members == 0 then return false end
  local keys = {}
  for i, member in ipairs(members) do keys[i] = P .. 't:' .. string.sub(member, prefix_bytes + 1) end
  call('DEL', unpack(keys))
  call('ZREM', P .. index, unpack(members))
  gone = gone + #members
  return true
end

local index = call('SRANDMEMBER', P .. 'lanes')
if index then
  if not drop(index, 16) or call('EXISTS', P .. index) == 0 then call('SREM', P .. 'lanes', index) end
  return { gone, 1 }
end
for _, shelf in ipairs({ 'finished', 'dead', 'kept' }) do
  if drop(shelf, 0) then return { gone, 1 } end
end
local parked = call('SRANDMEMBER', P .. 'corrupt', CHUNK)
if #parked > 0 then
  for _, key in ipairs(parked) do gone = gone + call('DEL', P .. 't:' .. key) end
  call('SREM', P .. 'corrupt', unpack(parked))
  return { gone, 1 }
end
local lists = call('SRANDMEMBER', P .. 'wakes', CHUNK)
if #lists > 0 then
  for _, list in ipairs(lists) do call('DEL', P .. list) end
  call('SREM', P .. 'wakes', unpack(lists))
  return { gone, 1 }
end
-- Safe to lose: a waiter without its entry still waits on the lists of its lanes.
for _, waiter in ipairs(call('ZRANGE', P .. 'waiting', 0, CHUNK - 1)) do
  call('DEL', P .. 'p:' .. waiter)
  call('ZREM', P .. 'waiting', waiter)
end
if call('EXISTS', P .. 'waiting') == 1 then return { gone, 1 } end
for _, rest in ipairs({
  'armed', 'finished_counts', 'requests', 'requests_at', 'requests_held', 'workers', 'workers_leased', 'workers_until',
}) do
  call('UNLINK', P .. rest)
end
return { gone, 0 }
