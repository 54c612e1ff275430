-- Transition: absent or finished -> Queued; Queued -> Queued, moved; Leased -> Leased with a
-- successor.
-- Keys: meta. Args: as for add.lua.
-- Result: one word per task, separated by spaces: placed, moved, follows, toofar, moving (to
-- another store: try again), corrupt.
-- Repeated: the record remembers the add id and gives the first answer again; nothing changes.
local answers = {}
for i, item in ipairs(read_items()) do
  local rec, corrupt = load(item.key)
  local answer = rec and answered(rec, item.id)
  if corrupt then
    answer = 'corrupt'
  elseif not answer and is_too_far(item.visible) then
    answer = 'toofar'
  elseif not answer and rec and rec[STATE] == MOVING then
    answer = 'moving'
  elseif not answer then
    if rec and rec[STATE] == LEASED then
      answer = 'follows'
      more_of(rec).successor = {
        lane = item.lane, args = item.args, visible = item.visible, every = item.every,
        max_attempts = item.max_attempts, max_crashes = item.max_crashes,
      }
    elseif rec and rec[STATE] == QUEUED then
      answer = 'moved'
      take_over(rec, item)
    else
      answer = 'placed'
      rec = rec or new_record(item.key)
      live(rec, item)
    end
    remember(rec, item.id, answer)
    keep(rec)
  end
  answers[i] = answer
end
finish_writes()
return table.concat(answers, ' ')
