-- Transition: absent or finished -> Queued; Queued -> Queued, moved; Leased -> Leased with a follower.
-- Keys: meta. Args: as add.lua.
-- Result: one text per task: placed, moved, follows, moving (to another store: try again), corrupt.
-- Twice: a record knows the add id and gives the first answer again; nothing changes.
begin_adding()
local answers = {}
for i, item in ipairs(read_items()) do
  local rec, corrupt = load(item.key)
  local answer = rec and answered(rec, item.id)
  if corrupt then
    answer = 'corrupt'
  elseif not answer and rec and rec.state == 'moving' then
    answer = 'moving'
  elseif not answer then
    if rec and rec.state == 'leased' then
      answer = 'follows'
      rec.follower = {
        name = item.name, queue = item.queue, args = item.args, visible = item.visible, every = item.every,
        attempts_max = item.attempts_max, crashes_max = item.crashes_max,
      }
    elseif rec and rec.state == 'queued' then
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
return answers
