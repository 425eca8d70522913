-- Whether a policy limits what may start, of anybody. One that has ended by itself does not.
SELECT EXISTS (SELECT FROM policies
               WHERE field IN ('max_running', 'rate', 'paused')
                 AND (until IS NULL OR until > now() OR afterwards IS NOT NULL))
