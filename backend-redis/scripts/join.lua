-- Transition: none. Notes the layout and, where given, the environment of a docket that has none.
-- Keys: meta. Args: layout, environment (may be empty).
-- Result: layout and environment as they are now; the caller compares.
-- Twice: the same.
local layout, environment = arg(), arg()
local meta = call('HMGET', META, 'layout', 'environment')
if not meta[1] then
  call('HSET', META, 'layout', layout)
  meta[1] = layout
end
if meta[1] == layout and not meta[2] and environment ~= '' then
  call('HSET', META, 'environment', environment)
  meta[2] = environment
end
return { meta[1], meta[2] or '' }
