-- Where a record is found: each in exactly one index.

-- What is called after a lane, made once per script.
local lanes = {}
local function name_lane(text)
  local queue, name = string.match(text, '^([^|]*)|(.+)$')
  if queue == '' then queue = 'default' end
  local label = queue .. '|' .. name
  local lane = {
    queue = queue, name = name, due = 'due:' .. label, sus = 'sus:' .. label, run = 'run:' .. label,
    srun = 'srun:' .. label, mov = 'mov:' .. label, w = 'w:' .. label, ws = 'ws:' .. label,
  }
  for state, word in ipairs(STATES) do lane[state] = word .. '|' .. label end
  lanes[text] = lane
  return lane
end

local function lane_of(rec) return lanes[rec[LANE]] or name_lane(rec[LANE]) end

-- A lane as records have it.
local function lane_text(queue, name) return (queue == 'default' and '' or queue) .. '|' .. name end

local function is_suspect(rec) return rec[CRASHES] >= SUSPECT_CRASHES end

local function list_of(rec) return lane_of(rec)[is_suspect(rec) and 'ws' or 'w'] end

-- Entries of one time stand in order of adding: a member is the sequence number, in bytes that sort, and the key.
local function key_of(member) return string.sub(member, SEQ_BYTES + 1) end

-- The index an unfinished record belongs to.
local function index_of(rec)
  local lane, state = lane_of(rec), rec[STATE]
  if state == QUEUED then return is_suspect(rec) and lane.sus or lane.due end
  if state == LEASED then return is_suspect(rec) and lane.srun or lane.run end
  return lane.mov
end

local function is_shelf(index) return index == 'finished' or index == 'dead' or index == 'kept' end

-- The index a record belongs to, its score and its member there; and under what it is counted, if it is finished.
local function place_of(rec)
  local state = rec[STATE]
  if state <= LEASED or state == MOVING then return index_of(rec), rec[VISIBLE], rec[SEQ] .. rec[KEY] end
  local count = lane_of(rec)[state]
  if rec[EVERY] then return 'kept', rec[VISIBLE], rec[KEY], count end
  return state == DEAD and 'dead' or 'finished', rec[EXPIRES], rec[KEY], count
end
