-- Whether a policy limits what may start, of anybody.
SELECT EXISTS (SELECT FROM policies WHERE field IN ('max_running', 'rate', 'paused'))
