-- Transition: absent or finished -> Queued.
-- Keys: meta. Args: per task, ITEM_ARGS: see read_item in life.lua. The usual add is made by add_fresh.lua already.
-- Result: one word per task, apart by spaces: added, exists:STATE, exists:cancelling, corrupt.
-- Twice: a record knows the add id and gives the first answer again; nothing changes.
local answers = {}
local items = read_items()
for i = 1, #items do
  local item = items[i]
  local rec, corrupt = load(item.key)
  local answer = rec and answered(rec, item.id)
  if corrupt then
    answer = 'corrupt'
  elseif not answer then
    -- Only a requeue brings a cancelled perpetual back; a seed does not.
    local seed = rec and rec[MORE].every and item.every
    if rec and (not is_finished(rec) or seed) then
      answer = existing(rec)
    else
      answer = 'added'
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
