-- Where a record is found: each in exactly one index.

local SEQ_BYTES = 7

local function is_suspect(rec) return rec.crashes >= SUSPECT_CRASHES end

-- `KIND:QUEUE|NAME`, each made once per script.
local names = {}
local function of_lane(kind, rec)
  local of_queue = list_in(list_in(names, kind), rec.queue)
  local name = of_queue[rec.name]
  if not name then
    name = kind .. rec.queue .. '|' .. rec.name
    of_queue[rec.name] = name
  end
  return name
end

local function list_of(rec) return of_lane(is_suspect(rec) and 'ws:' or 'w:', rec) end

-- Entries of one time stand in order of adding: the sequence comes first, in bytes that sort.
local function member_of(rec)
  if rec.member_seq ~= rec.seq then rec.member_seq, rec.member = rec.seq, struct.pack('>I7', rec.seq) .. rec.key end
  return rec.member
end

local function key_of(member) return string.sub(member, SEQ_BYTES + 1) end

-- The index an unfinished record belongs to.
local function index_of(rec)
  if rec.state == 'queued' then return of_lane(is_suspect(rec) and 'sus:' or 'due:', rec) end
  if rec.state == 'moving' then return of_lane('mov:', rec) end
  return of_lane(is_suspect(rec) and 'srun:' or 'run:', rec)
end

local function is_shelf(index) return index == 'finished' or index == 'dead' or index == 'kept' end

-- The index a record belongs to, its score and its member there.
local function place_of(rec)
  if not is_finished(rec) then return index_of(rec), rec.visible, member_of(rec) end
  if rec.every then return 'kept', rec.visible, rec.key end
  return rec.state == 'dead' and 'dead' or 'finished', rec.expires, rec.key
end

-- Under what a finished record is counted.
local function count_of(rec) return of_lane(rec.state .. '|', rec) end
