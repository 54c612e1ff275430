-- Fast path of add: new tasks that are due now and carry no options. Their records are written as
-- they were sent. Any other batch is left to add.lua before anything is written; only then is the
-- code that reads records defined.

local function are_new(keys)
  for from = 1, #keys, CHUNK do
    local raws = call('HMGET', P .. 'tasks', unpack(keys, from, math.min(from + CHUNK - 1, #keys)))
    for i = 1, #raws do
      if raws[i] then return false end
    end
  end
  return true
end

-- The keys of the arguments; nil if one occurs twice or carries options.
local function plain_keys()
  local keys, seen = {}, {}
  for i = 1, #ARGV, ITEM_ARGS do
    local key = ARGV[i]
    if seen[key] or ARGV[i + 1] ~= '' then return nil end
    keys[#keys + 1], seen[key] = key, true
  end
  return keys
end

-- Writes the records. Each is prefixed with the number that orders tasks of the same time.
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
    if anybody_waits() then wake('w:' .. label, 1, true) end
  end
end

local fresh = plain_keys()
if fresh and are_new(fresh) then
  begin_adding(#fresh)
  write_fresh(fresh)
  return string.rep('added ', #fresh)
end
