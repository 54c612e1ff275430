-- Fast path of the two most common transitions, from raw record to raw record: a task that is as it
-- was added is leased, and a task leased for the first time is completed without a result. Any
-- other record is held and changed by the steps of life.lua.

-- Changes one record and moves it from one index to another.
local function write_plain(key, raw, from, member, to, score, to_member)
  local writes = writing()
  local records, members = writes.records, writes.removed[from] or list_in(writes.removed, from)
  local entries = writes.added[to] or list_in(writes.added, to)
  local count, last, first = #records, #entries, writes.first[to]
  records[count + 1], records[count + 2] = key, raw
  members[#members + 1] = member
  entries[last + 1], entries[last + 2] = whole(score), to_member
  if not first or score < first then writes.first[to] = score end
end

-- The fields of a record that is as it was added, and where its args begin; nothing for any other
-- record.
local function plain_fresh(raw)
  local form = string.byte(raw, 1)
  local _, seq, visible, added, args_bytes, calls, lane, from
  if form == FRESH_NOW then
    _, seq, visible, args_bytes, calls, lane, from = unpacked(FRESH_NOW_AS, raw)
    added = visible
  elseif form == FRESH_LATER then
    _, seq, visible, added, args_bytes, calls, lane, from = unpacked(FRESH_LATER_AS, raw)
  end
  if from and #raw == from + args_bytes + calls * CALL_BYTES - 1 then
    return lane, seq, visible, added, args_bytes, calls, from
  end
end

-- Leases the task of `raw` if the record is as it was added, belongs to this index, and fits into
-- `room`. Answers the new raw record, its lane, and the bytes of its args.
local function lease_plain(raw, key, index, member, req, fence, room)
  local text, seq, visible, added, args_bytes, calls, from = plain_fresh(raw)
  local lane = text and (lanes[text] or name_lane(text))
  if not lane or lane.index[QUEUED] ~= index or seq .. key ~= member or args_bytes > room then return nil end
  local leased = pack(LIVED_OF, LIVED, LEASED, 0, seq, now + req.lease, visible, added, now, 0, fence, args_bytes,
    calls, #req.request, req.request, #text, text, #req.worker, req.worker, cut_of(raw, from))
  write_plain(key, leased, index, member, lane.index[LEASED], now + req.lease, member)
  return leased, lane, args_bytes
end

-- Completes the task of `raw` if the fast path allows it and the token is current. Answers whether
-- it did.
local function complete_plain(raw, key, token_fence, token_request, retention)
  if string.byte(raw, 1) ~= LIVED then return false end
  local _, state, flags, seq, _, due, added, leased_at, _, fence, args_bytes, calls, request, text, worker, from =
    unpacked(LIVED_AS, raw)
  if state ~= LEASED or flags ~= 0 or fence ~= token_fence or request ~= token_request
    or #raw ~= from + args_bytes + calls * CALL_BYTES - 1 then
    return false
  end
  local lane, expires, counts = lanes[text] or name_lane(text), now + retention, writing().counts
  local completed = pack(LIVED_OF, LIVED, COMPLETED, WITH_SETTLED, seq, now, due, added, leased_at, expires, fence,
    args_bytes, calls, #request, request, #text, text, #worker, worker, cut_of(raw, from))
  write_plain(key, completed, lane.index[LEASED], seq .. key, 'finished', expires, key)
  local count = lane.counts[COMPLETED]
  counts[count] = (counts[count] or 0) + 1
  if args_bytes >= KEPT_BYTES_MIN then
    local bytes = writing().bytes
    bytes.finished = (bytes.finished or 0) + args_bytes
  end
  if expires < trim_at then trim_at = expires end
  return true
end
