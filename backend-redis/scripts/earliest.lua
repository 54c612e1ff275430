-- The earliest entries of several indexes together.

local PAGE_MAX = 100 -- entries read from one index at once

local function earlier(a, b)
  if a.score ~= b.score then return a.score < b.score end
  return a.member < b.member
end

-- Sinks the head at `i` to its position in a heap with the earliest on top.
local function sink(heads, i)
  local head, count = heads[i], #heads
  while 2 * i <= count do
    local child = 2 * i
    if child < count and earlier(heads[child + 1], heads[child]) then child = child + 1 end
    if not earlier(heads[child], head) then break end
    heads[i] = heads[child]
    i = child
  end
  heads[i] = head
end

-- Moves on to the next entry of an index; answers whether there is one.
local function step(head)
  if head.i > #head.page then
    if head.ended then return false end
    head.page = call('ZRANGEBYSCORE', P .. head.index, '-inf', head.till, 'WITHSCORES', 'LIMIT', head.offset, head.size)
    head.offset, head.i, head.ended = head.offset + head.size, 1, #head.page < 2 * head.size
    head.size = math.min(2 * head.size, PAGE_MAX)
    if #head.page == 0 then return false end
  end
  head.member, head.score = head.page[head.i], tonumber(head.page[head.i + 1])
  head.i = head.i + 2
  return true
end

-- The first `limit` entries of `indexes`, earliest first, then in the order of adding: visible ones
-- only, or up to the time `till`. `one_suspect`: at most one suspect. Answers the members, and the
-- index of each.
local function earliest(indexes, limit, till, one_suspect)
  local members, at = {}, {}
  if limit <= 0 then return members, at end
  till = till or whole(now)
  if #indexes == 1 then
    local only = indexes[1]
    if one_suspect and only.kind == 'sus' then limit = 1 end
    members = call('ZRANGEBYSCORE', P .. only.index, '-inf', till, 'LIMIT', 0, limit)
    for i = 1, #members do at[i] = only.index end
    return members, at
  end
  local heads = {}
  -- Read a few of each of many indexes, or many of a few.
  local size = math.max(1, math.min(limit, PAGE_MAX, math.ceil(2 * limit / math.max(#indexes, 1))))
  for _, from in ipairs(indexes) do
    local head = { index = from.index, page = {}, i = 1, offset = 0, size = size, till = till }
    -- Only its first entry is needed.
    if one_suspect and from.kind == 'sus' then head.one, head.size = true, 1 end
    if step(head) then heads[#heads + 1] = head end
  end
  for i = math.floor(#heads / 2), 1, -1 do sink(heads, i) end
  local suspect = false
  while #members < limit and #heads > 0 do
    local head = heads[1]
    if not (head.one and suspect) then members[#members + 1], at[#at + 1] = head.member, head.index end
    suspect = suspect or head.one
    if head.one or not step(head) then
      heads[1] = heads[#heads]
      heads[#heads] = nil
    end
    if #heads > 0 then sink(heads, 1) end
  end
  return members, at
end
