-- Transition: absent or finished -> Queued.
-- Keys: meta. Args: per task, ITEM_ARGS: see read_item in life.lua. add_fresh.lua has already
-- handled the usual add.
-- Result: one word per task, separated by spaces: added, exists:STATE, exists:cancelling, toofar,
-- corrupt; for a declaration also declared:FAILURES, superseded:FAILURES, redefined, taken.
-- Repeated: the record remembers the add id and gives the first answer again; nothing changes. A
-- declaration is noted again.
local answers = {}
local items = read_items()
for i = 1, #items do
  local item = items[i]
  local rec, corrupt = load(item.key)
  local answer = rec and answered(rec, item.id)
  if corrupt then
    answer = 'corrupt'
  elseif not answer and is_too_far(item.visible) then
    answer = 'toofar'
  elseif not answer then
    -- Only a requeue revives a cancelled periodic task; a declaration does not.
    local seed = rec and rec[MORE].every and item.every
    local taken = rec and (not is_finished(rec) or seed)
    if taken and item.definition then
      answer = declare(rec, item)
    else
      answer = taken and existing(rec) or 'added'
      if not taken then
        rec = rec or new_record(item.key)
        live(rec, item)
        if item.definition then
          local more = more_of(rec)
          more.definition, more.declared = item.definition, item.definition .. pack('>I7', item.declared_until)
        end
      end
      remember(rec, item.id, answer)
      keep(rec)
    end
  end
  answers[i] = answer
end
finish_writes()
return table.concat(answers, ' ')
