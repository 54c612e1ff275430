-- Transition: none. Counts tasks by lane.
-- Keys: meta. Args: none.
-- Result: per index: kind, QUEUE|NAME, visible, later, microseconds since its oldest visible task
-- became visible or nil; then per state and lane of finished tasks: state, QUEUE|NAME, count.
local open, over = {}, {}
for _, index in ipairs(all_indexes()) do
  local kind, lane = string.match(index, '^(%a+):(.+)$')
  local head = call('ZRANGE', P .. index, 0, 0, 'WITHSCORES')
  local visible = call('ZCOUNT', P .. index, '-inf', whole(now))
  local oldest = visible > 0 and now - tonumber(head[2]) or false
  open[#open + 1] = { kind, lane, visible, call('ZCARD', P .. index) - visible, oldest }
end
local finished = call('HGETALL', P .. 'finished_counts')
for i = 1, #finished, 2 do
  local state, lane = string.match(finished[i], '^(%a+)|(.+)$')
  over[#over + 1] = { state, lane, tonumber(finished[i + 1]) }
end
return { open, over }
