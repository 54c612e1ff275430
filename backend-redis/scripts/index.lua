-- Where a record is found: each in exactly one index.

local SEQ_BYTES = 7

local function is_suspect(rec) return rec.crashes >= SUSPECT_CRASHES end

-- Texts made of a queue and a name, once per script.
local lane_texts = {}
local function lane_of(rec)
  local by_name = list_in(lane_texts, rec.queue)
  local lane = by_name[rec.name]
  if not lane then
    lane = rec.queue .. '|' .. rec.name
    by_name[rec.name] = lane
  end
  return lane
end

local function list_of(rec) return (is_suspect(rec) and 'ws:' or 'w:') .. lane_of(rec) end

-- Entries of one time stand in order of adding: the sequence comes first, in bytes that sort.
local function member_of(rec) return struct.pack('>I7', rec.seq) .. rec.key end

local function key_of(member) return string.sub(member, SEQ_BYTES + 1) end

-- The index an unfinished record belongs to.
local function index_of(rec)
  if rec.state == 'queued' then return (is_suspect(rec) and 'sus:' or 'due:') .. lane_of(rec) end
  return (is_suspect(rec) and 'srun:' or 'run:') .. lane_of(rec)
end

local function is_shelf(index) return index == 'finished' or index == 'dead' or index == 'kept' end

-- The index a record belongs to, its score and its member there.
local function place_of(rec)
  if not is_finished(rec) then return index_of(rec), rec.visible, member_of(rec) end
  if rec.every then return 'kept', rec.visible, rec.key end
  return rec.state == 'dead' and 'dead' or 'finished', rec.expires, rec.key
end

-- Under what a finished record is counted.
local function count_of(rec) return rec.state .. '|' .. lane_of(rec) end
