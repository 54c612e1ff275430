-- Transition: Queued and due -> Leased; Leased and expired -> one crash, then Queued, Cancelled,
-- Dead or the next occurrence.
-- Tables: meta, task, request, worker, tally, waiter.
-- Arguments: one lease request. Result and repetition: see take.sql.
CREATE OR REPLACE FUNCTION docket.lease(docket_name text, ask docket.ask)
RETURNS docket.reply LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  entered record;
  trimmed record;
  reply docket.reply;
BEGIN
  SELECT e.id, e.clock, e.ahead, e.seen, docket.now_of(e.clock, e.ahead) AS moment INTO entered FROM docket.enter(docket_name) e;
  SELECT * INTO trimmed FROM docket.trim(entered.id, entered.moment, 0, 0, 0);
  PERFORM docket.note_time(entered.id, entered.clock, entered.seen, entered.moment);
  reply := docket.take(
    entered.id, entered.clock, entered.ahead, entered.moment, ask, -trimmed.finished, -trimmed.dead
  );
  reply.dead_trimmed := trimmed.dead;
  -- Safe to lose: the call leased nothing and only registered a waiter. An asynchronous commit
  -- releases its lock sooner.
  IF NOT reply.answered AND reply.crashed = 0 THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
  RETURN reply;
END
$$;
