-- Transition: none. Notes the layout and, where given, the environment of a docket that has none.
-- Keys: meta. Args: layout, environment (may be empty).
-- Result: layout and environment as they are now; the caller compares.
-- Twice: the same.
local layout, environment = arg(), arg()
local meta = call('HMGET', META, 'layout', 'environment')
-- Begins with a deletion, which a full server lets through: workers are to join it, and work off what it has.
local function note(field, value)
  call('HDEL', META, 'none')
  call('HSET', META, field, value)
end
if not meta[1] then
  note('layout', layout)
  meta[1] = layout
end
if meta[1] == layout and not meta[2] and environment ~= '' then
  note('environment', environment)
  meta[2] = environment
end
return { meta[1], meta[2] or '' }
