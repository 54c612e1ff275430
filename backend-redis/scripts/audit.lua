-- Transition: none. Compares a chunk of records, or a chunk of one index, with the other side.
-- Keys: meta. Args: `records` and keys; or `index`, an index, a rank and how many.
-- Result: defects, a line each; for records, then a list of STATE|QUEUE|NAME, one per finished record; how many index
-- entries were looked at.
local defects, finished, looked = {}, {}, 0
local function defect(...) defects[#defects + 1] = table.concat({ ... }) end

local function check_record(key, rec)
  local index, score, member
  if is_finished(rec) then
    index, score = shelf_of(rec)
    member = key
    finished[#finished + 1] = rec.state .. '|' .. lane_of(rec)
  else
    index, score, member = index_of(rec), rec.visible, member_of(key, rec)
    if call('SISMEMBER', P .. 'lanes', index) == 0 then defect('lanes does not name ', index) end
  end
  local found = call('ZSCORE', P .. index, member)
  if not found then
    defect('the record ', key, ' (', rec.state, ') is not in ', index)
  elseif tonumber(found) ~= score then
    defect('the record ', key, ' is in ', index, ' at ', found, ', not at ', whole(score))
  end
end

local function check_entry(index, member, rec)
  local shelf = is_shelf(index)
  local key = shelf and member or key_of(member)
  if not rec then
    defect(index, ' names ', key, ', which has no record that can be read')
  elseif is_finished(rec) ~= shelf then
    defect(index, ' names ', key, ', which is ', rec.state)
  elseif (shelf and shelf_of(rec) or index_of(rec)) ~= index or (not shelf and member_of(key, rec) ~= member) then
    defect(index, ' names ', key, ', which belongs elsewhere')
  end
end

if arg() == 'records' then
  local keys = {}
  while at < #ARGV do keys[#keys + 1] = arg() end
  for i, rec in records_of(keys) do
    if rec then
      check_record(keys[i], rec)
    elseif rec == false then
      defect('the record ', keys[i], ' cannot be read')
    end
  end
else
  local index, from, count = arg(), number(), number()
  local members, keys = call('ZRANGE', P .. index, from, from + count - 1), {}
  looked = #members
  if from == 0 and #members == 0 then defect('lanes names ', index, ', which is empty') end
  for i, member in ipairs(members) do
    local shelf = is_shelf(index)
    keys[i] = shelf and member or key_of(member)
  end
  for i, rec in records_of(keys) do check_entry(index, members[i], rec) end
end
return { defects, finished, looked }
