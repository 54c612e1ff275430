-- Transition: absent or finished -> Queued.
-- Keys: meta. Args: per task: key, add id, name, queue, args, kind of time (now, in, at), its microseconds, every,
-- attempts_max, crashes_max (the last three may be empty).
-- Result: one text per task: added, exists:STATE, exists:cancelling, corrupt.
-- Twice: a record knows the add id and gives the first answer again; nothing changes.
begin_adding()
local answers = {}
while at < #ARGV do
  local item = read_item()
  local rec, corrupt = load(item.key)
  local answer = rec and answered(rec, item.id)
  if corrupt then
    answer = 'corrupt'
  elseif not answer then
    -- Only a requeue brings a cancelled perpetual back; a seed does not.
    local seed = rec and rec.every and item.every
    if rec and (not is_finished(rec) or seed) then
      answer = existing(rec)
      remember(rec, item.id, answer)
      save(item.key, rec)
    else
      answer = 'added'
      if rec then unplace(item.key, rec) end
      rec = rec or { calls = {} }
      live(rec, item)
      remember(rec, item.id, answer)
      place(item.key, rec)
      save(item.key, rec)
    end
  end
  answers[#answers + 1] = answer
end
finish_writes()
return answers
