-- Transition: none. Takes the offset of the docket's time to 0, as it is told: from here on it counts. The time goes on.
-- Keys: meta. Args: none.
-- Result: what the offset was; nothing if a task is leased.
-- Twice: 0.
begin()
for _, index in ipairs(all_indexes()) do
  local kind = string.match(index, '^%a+')
  if kind == 'run' or kind == 'srun' then return false end
end
local was = clock_told()[1]
call('HSET', META, 'settled', whole(offset))
return was
