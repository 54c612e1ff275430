-- Transition: none. Compares a chunk of records, or a chunk of one index, with the other side.
-- Keys: meta. Args: `records` and a cursor (0: the start); or `index`, an index, a rank and a
-- count.
-- Result: defects, one line each. For records also: key, STATE|QUEUE|NAME and bytes of each
-- finished record, key and hash of each payload kept apart, and the next cursor (0: the end). For
-- an index: the number of entries examined.
local defects = {}
local function defect(...) defects[#defects + 1] = table.concat({ ... }) end

-- A key as it is displayed.
local function shown(key)
  if string.byte(key, 1) ~= 0 then return key end
  local function hex(byte) return string.format('%02x', string.byte(byte)) end
  local digits = string.gsub(string.sub(key, 2), '.', hex)
  return (string.gsub(digits, '^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)', '%1-%2-%3-%4-'))
end

local function check_record(rec)
  local index, score, member = rec[AT], rec[AT_SCORE], rec[AT_MEMBER]
  if not is_finished(rec) then
    local set = listed_in(index)
    local bound = call('ZSCORE', P .. set, index)
    if not bound then
      defect(set, ' does not name ', index)
    elseif tonumber(bound) > score then
      defect(set, ' has ', index, ' later than the record ', shown(rec[KEY]))
    end
  end
  local found = call('ZSCORE', P .. index, member)
  if not found then
    defect('the record ', shown(rec[KEY]), ' (', STATES[rec[STATE]], ') is not in ', index)
  elseif tonumber(found) ~= score then
    defect('the record ', shown(rec[KEY]), ' is in ', index, ' at ', found, ', not at ', whole(score))
  end
end

local function check_entry(index, member, key, rec)
  if not rec then
    defect(index, ' names ', shown(key), ', which has no record that can be read')
  elseif is_finished(rec) ~= is_shelf(index) then
    defect(index, ' names ', shown(key), ', which is ', STATES[rec[STATE]])
  elseif rec[AT] ~= index or rec[AT_MEMBER] ~= member then
    defect(index, ' names ', shown(key), ', which belongs elsewhere')
  end
end

-- Collects the payloads kept apart, and reports those that are missing.
local function check_payloads(rec, apart)
  for hash, is_apart in pairs(rec[APART] or {}) do
    if is_apart then apart[#apart + 1], apart[#apart + 2] = hash, rec[KEY] end
    if is_apart and call('HEXISTS', P .. hash, rec[KEY]) == 0 then defect(shown(rec[KEY]), ' has nothing in ', hash) end
  end
end

if arg() == 'records' then
  local page = call('HSCAN', P .. 'tasks', arg(), 'COUNT', 100)
  local finished, apart = {}, {}
  for i = 1, #page[2], 2 do
    local key = page[2][i]
    hold(key, page[2][i + 1])
    local rec = load(key)
    if rec then
      check_record(rec)
      check_payloads(rec, apart)
      local last = #finished
      if rec[AT_COUNT] then
        finished[last + 1], finished[last + 2], finished[last + 3] = key, rec[AT_COUNT], rec[AT_BYTES]
      end
    else
      defect('the record ', shown(key), ' cannot be read')
    end
  end
  return { defects, finished, apart, tonumber(page[1]) }
end
local index, from, count = arg(), number(), number()
local members, keys = call('ZRANGE', P .. index, from, from + count - 1), {}
if from == 0 and #members == 0 then defect(listed_in(index), ' names ', index, ', which is empty') end
if from == 0 and (index == 'finished' or index == 'dead') then
  local first = call('ZRANGE', P .. index, 0, 0, 'WITHSCORES')[2]
  if first and tonumber(first) < trim_at then defect('meta.trim is later than the first of ', index) end
end
for i, member in ipairs(members) do keys[i] = is_shelf(index) and member or key_of(member) end
fetch(keys)
for i, key in ipairs(keys) do check_entry(index, members[i], key, (load(key))) end
return { defects, #members }
