-- Transition: none. Notes the environment, where given, of a docket that has none; and the layout, as every call.
-- Keys: meta. Args: environment (may be empty).
-- Result: the environment as it is now, empty if there is none; the caller compares.
-- Twice: the same.
begin()
local ours, theirs = arg(), call('HGET', META, 'environment')
if not theirs and ours ~= '' then
  call('HSET', META, 'environment', ours)
  theirs = ours
end
return { theirs or '' }
