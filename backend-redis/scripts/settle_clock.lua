-- Transition: none. Reports the offset of the docket's time as 0 from now on; the time itself goes
-- on.
-- Keys: meta. Args: none.
-- Result: the offset before; nothing if a task is leased.
-- Repeated: 0.
begin()
for _, index in ipairs(all_indexes()) do
  local kind = string.match(index, '^%a+')
  if kind == 'run' or kind == 'srun' then return false end
end
local was = clock_told()[1]
call('HSET', META, 'settled', whole(offset))
return was
