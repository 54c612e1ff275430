-- Declarations of periodic tasks by workers. Of the definitions declared now, the one first seen
-- last is in force.
--
-- A record has the definition it follows, and `declared`: the ids of all known definitions, in the
-- order in which they were first seen, each with the time its declaration ends.

local function known_definitions(more)
  local known, text, alive = {}, more.declared or '', false
  for i = 1, #text, DECLARED_BYTES do
    local ends = unpacked('>I7', text, i + ID_BYTES)
    known[#known + 1] = { id = cut_of(text, i, i + ID_BYTES - 1), ends = ends }
    alive = alive or ends > now
  end
  return known, alive
end

-- Makes room for one more definition by dropping one that is no longer declared. Answers whether
-- there is room.
local function make_room(known)
  if #known < DEFINITIONS_MAX then return true end
  for i, one in ipairs(known) do
    if one.ends <= now then
      table.remove(known, i)
      return true
    end
  end
  return false
end

-- Notes a declaration; answers whether its definition is the one in force.
local function note(rec, item)
  local more = more_of(rec)
  local known, alive = known_definitions(more)
  local own, texts, in_force = nil, {}, nil
  for _, one in ipairs(known) do
    -- Nobody has declared anything for a while, as after an outage: prolong the definition in force
    -- until the live workers declare again.
    if not alive and one.id == more.definition then one.ends = item.declared_until end
    if one.id == item.definition then own = one end
  end
  if own then
    own.ends = math.max(own.ends, item.declared_until)
  elseif make_room(known) then
    known[#known + 1] = { id = item.definition, ends = item.declared_until }
  end
  for i, one in ipairs(known) do
    texts[i] = one.id .. pack('>I7', one.ends)
    if one.ends > now then in_force = one.id end
  end
  more.declared = table.concat(texts)
  return in_force == item.definition
end

local function is_defined_as(rec, item)
  local more = rec[MORE]
  return rec[LANE] == item.lane and more.every == item.every and more.max_attempts == item.max_attempts
    and more.max_crashes == item.max_crashes and args_of(rec) == item.args
end

-- Applies the definition in force: at once, or after the run. Answers what happened.
local function put_in_force(rec, item)
  local more = rec[MORE]
  local successor = more.successor
  if more.definition == item.definition or is_defined_as(rec, item) then
    more.definition = item.definition
    -- The successor was another definition, which is no longer in force.
    if successor and successor.definition then more.successor = nil end
    return 'declared:'
  elseif rec[STATE] ~= LEASED then
    redefine(rec, item)
    return 'redefined'
  elseif successor and successor.definition == item.definition then
    return 'declared:'
  elseif successor and not successor.definition then
    -- A scheduled successor has precedence.
    return 'superseded:'
  end
  more.successor = {
    lane = item.lane, args = item.args, visible = after_last_start(rec, item) or now, every = item.every,
    max_attempts = item.max_attempts, max_crashes = item.max_crashes, definition = item.definition,
  }
  return 'redefined'
end

-- An add that declares a periodic task whose key exists.
local function declare(rec, item)
  if lane_of(rec).name ~= (lanes[item.lane] or name_lane(item.lane)).name or not rec[MORE].every then return 'taken' end
  if is_finished(rec) or rec[STATE] == MOVING or rec[CANCELLING] then return existing(rec) end
  local failures = rec[MORE].failures or 0
  local answer = note(rec, item) and put_in_force(rec, item) or 'superseded:'
  if answer == 'redefined' then remember(rec, item.id, answer) else answer = answer .. whole(failures) end
  keep(rec)
  return answer
end
