-- Transition: none. Reads a page of one index.
-- Keys: meta. Args: index, score and member to start after (both empty: the start), records to
-- examine, tasks and bytes to return, whether the first task may exceed the bytes (0, 1), state,
-- name, queue (each may be empty: all).
-- Result: views; records examined; bytes returned; whether the byte limit stopped it (0, 1); score
-- and member of the last one examined (empty: the end).
local index, after_score, after = arg(), optional_number(), arg()
local look, limit, bytes, first = number(), number(), number(), arg() == '1'
local state, name, queue = optional(), optional(), optional()
local shelf = is_shelf(index)

-- Compares bytes; `<` would use the server's locale.
local function is_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- The rank of the first entry after the cursor, by binary search: the entry of the cursor may be
-- gone.
local low, high = 0, call('ZCARD', P .. index)
while after_score and low < high do
  local middle = math.floor((low + high) / 2)
  local entry = call('ZRANGE', P .. index, middle, middle, 'WITHSCORES')
  local score = tonumber(entry[2])
  if score < after_score or (score == after_score and not is_before(after, entry[1])) then
    low = middle + 1
  else
    high = middle
  end
end

local function weigh(rec)
  local bytes = args_bytes_of(rec) + bytes_of(rec[MORE].successor and rec[MORE].successor.args)
  return bytes + bytes_of(rec[MORE].result) + bytes_of(rec[MORE].error)
end

local views, looked, brought, full, score = {}, 0, 0, false, nil
local entries = call('ZRANGE', P .. index, low, low + look - 1, 'WITHSCORES')
local keys = {}
for i = 1, #entries, 2 do keys[#keys + 1] = shelf and entries[i] or key_of(entries[i]) end
fetch(keys)
for i, key in ipairs(keys) do
  local rec = load(key)
  local fits = rec and (not state or shown_state(rec) == state) and (not name or lane_of(rec).name == name)
    and (not queue or lane_of(rec).queue == queue)
  if fits then
    local weight = weigh(rec)
    if not first and brought + weight > bytes then
      full = true
      break
    end
    views[#views + 1], first = view(rec), false
    brought = brought + weight
  end
  looked, after, score = looked + 1, entries[2 * i - 1], entries[2 * i]
  if #views >= limit then break end
end
local ended = looked == #keys and #keys < look
return { views, looked, brought, full and 1 or 0, ended and '' or (score or ''), ended and '' or after }
