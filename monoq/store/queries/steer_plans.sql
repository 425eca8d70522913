-- For this transaction: plans that go by an index even while the planner takes a large table for a
-- small one, and a short life if its process stops in the midst of it, since it holds what others
-- wait for.
SELECT set_config('enable_seqscan', 'off', true),
       set_config('idle_in_transaction_session_timeout', '2000', true)
