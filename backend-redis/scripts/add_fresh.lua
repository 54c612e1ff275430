-- The usual add: tasks that are new, for now, and have nothing special. Their records are written as they came; what
-- takes records apart is made only for another one, which is left, before anything is written, to what comes after.

local function are_new(keys)
  for from = 1, #keys, CHUNK do
    local raws = call('HMGET', P .. 'tasks', unpack(keys, from, math.min(from + CHUNK - 1, #keys)))
    for i = 1, #raws do
      if raws[i] then return false end
    end
  end
  return true
end

-- The keys of the arguments, or nothing if one of them comes twice or has something special.
local function plain_keys()
  local keys, seen = {}, {}
  for i = 1, #ARGV, ITEM_ARGS do
    local key = ARGV[i]
    if seen[key] or ARGV[i + 1] ~= '' then return nil end
    keys[#keys + 1], seen[key] = key, true
  end
  return keys
end

-- Writes the records, each with the number before it that sorts those of one time.
local function write_fresh(keys)
  local records, entries_of, score = {}, {}, whole(now)
  local form, moment = string.char(FRESH_NOW), pack('>I7', now)
  for i = 1, #keys do
    local number, body = pack('>I6', seq + i), ARGV[ITEM_ARGS * i]
    local _, _, lane = unpacked('>I2BI2c0', body)
    records[2 * i - 1], records[2 * i] = keys[i], form .. number .. moment .. body
    local entries = entries_of[lane] or list_in(entries_of, lane)
    local last = #entries
    entries[last + 1], entries[last + 2] = score, number .. keys[i]
  end
  chunked('HSET', P .. 'tasks', records)
  for lane, entries in pairs(entries_of) do
    local label = label_of(lane)
    chunked('ZADD', P .. 'due:' .. label, entries)
    call('ZADD', P .. 'queued', 'LT', score, 'due:' .. label)
    if anybody_waits() then wake('w:' .. label, 1) end
  end
end

local fresh = plain_keys()
if fresh and are_new(fresh) then
  begin_adding(#fresh)
  write_fresh(fresh)
  return string.rep('added ', #fresh)
end
