-- The index of a record: each record is in exactly one.

-- The names derived from a lane, built once per script: its index per state, those for suspects,
-- the fields that count its finished records, and its wake lists.
local lanes = {}
local function name_lane(text)
  local label = label_of(text)
  local queue, name = string.match(label, '^([^|]*)|(.+)$')
  local due, run, moving, counts = 'due:' .. label, 'run:' .. label, 'mov:' .. label, {}
  for state, word in ipairs(STATES) do counts[state] = word .. '|' .. label end
  local lane = {
    queue = queue, name = name, index = { [QUEUED] = due, [LEASED] = run, [MOVING] = moving },
    of_suspects = { [QUEUED] = 'sus:' .. label, [LEASED] = 'srun:' .. label, [MOVING] = moving },
    counts = counts, wakes = 'w:' .. label, wakes_of_suspects = 'ws:' .. label,
  }
  lanes[text] = lane
  return lane
end

local function lane_of(rec) return lanes[rec[LANE]] or name_lane(rec[LANE]) end

-- A lane as records store it.
local function lane_text(queue, name) return (queue == 'default' and '' or queue) .. '|' .. name end

local function is_suspect(rec)
  local crashes = rec[MORE].crashes
  return crashes ~= nil and crashes >= SUSPECT_CRASHES
end

local function list_of(rec)
  local lane = lane_of(rec)
  return is_suspect(rec) and lane.wakes_of_suspects or lane.wakes
end

-- Entries of the same time are in the order of adding: a member is the sequence number, in bytes
-- that sort, and the key.
local function key_of(member) return string.sub(member, SEQ_BYTES + 1) end

local function is_shelf(index) return index == 'finished' or index == 'dead' or index == 'kept' end

-- The index of a record, its score and member there, and the field that counts it if it is
-- finished.
local function place_of(rec)
  local state, text = rec[STATE], rec[LANE]
  local lane = lanes[text] or name_lane(text)
  local index = (is_suspect(rec) and lane.of_suspects or lane.index)[state]
  if index then return index, rec[VISIBLE], rec[SEQ] .. rec[KEY] end
  local count = lane.counts[state]
  if rec[MORE].every then return 'kept', rec[VISIBLE], rec[KEY], count end
  return state == DEAD and 'dead' or 'finished', rec[EXPIRES], rec[KEY], count
end

-- The set that lists an index while the index is not empty.
local function listed_in(index) return string.match(index, '^s?run:') and 'leased' or 'queued' end

-- All indexes that are not empty.
local function all_indexes()
  local all = {}
  for _, set in ipairs({ 'queued', 'leased' }) do
    for _, index in ipairs(call('ZRANGE', P .. set, 0, -1)) do all[#all + 1] = index end
  end
  return all
end
