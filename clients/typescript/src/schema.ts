// Made by `make client` from what GET /openapi.json gives. Not to be edited.
// sha256 of the document: ecf2d4ce6c9c4839f5e6b012824eb21c4fd48d81cc717b9a2f2261b485732693

export interface paths {
    "/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List a tenant's jobs, newest first */
        get: operations["getJobs"];
        put?: never;
        /** Create a job */
        post: operations["postJobs"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Create up to 10,000 jobs, all or none */
        post: operations["postJobsBatch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/{jobId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get a job with its payload, result and errors */
        get: operations["getJobsJobid"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/{jobId}/log": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the log of a job */
        get: operations["getJobsJobidLog"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/{jobId}/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Explain why a job waits */
        get: operations["getJobsJobidExplain"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/{jobId}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancel a waiting or running job */
        post: operations["postJobsJobidCancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/{jobId}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Put a failed or cancelled job back */
        post: operations["postJobsJobidRetry"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancel many jobs by a filter, or count them */
        post: operations["postJobsCancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Retry many jobs by a filter, or count them */
        post: operations["postJobsRetry"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List operations, newest first */
        get: operations["getOperations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operations/{operationId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get an operation */
        get: operations["getOperationsOperationid"];
        put?: never;
        post?: never;
        /** Abort an operation */
        delete: operations["deleteOperationsOperationid"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/operations/{operationId}/abort": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Abort an operation */
        post: operations["postOperationsOperationidAbort"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List tenants with their counts */
        get: operations["getTenants"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Count the jobs of a tenant, or of all, by status */
        get: operations["getStats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/stats/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show what happened, per minute or hour */
        get: operations["getStatsHistory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/scaling": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Calculate how many slots are needed */
        get: operations["getScaling"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List job types */
        get: operations["getTypes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/stats/types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Count the jobs of each type */
        get: operations["getStatsTypes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/workers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List live workers */
        get: operations["getWorkers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/workers/{workerId}/drain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stop a worker from claiming jobs */
        post: operations["postWorkersWorkeridDrain"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/workers/{workerId}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a worker claim jobs again */
        post: operations["postWorkersWorkeridResume"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/breakers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List dead endpoints of webhooks */
        get: operations["getBreakers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Check whether jobs can be accepted */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Metrics for Prometheus */
        get: operations["getMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document */
        get: operations["getOpenapiJson"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/tenants/{tenantId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get the policy of a tenant */
        get: operations["getTenantsTenantid"];
        /** Set the policy of a tenant */
        put: operations["putTenantsTenantid"];
        post?: never;
        /** Remove the policy of a tenant */
        delete: operations["deleteTenantsTenantid"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/tenants/{tenantId}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the changes of the policy of a tenant */
        get: operations["getTenantsTenantidHistory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/types/{type}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get the policy of a job type */
        get: operations["getTypesType"];
        /** Set the policy of a job type */
        put: operations["putTypesType"];
        post?: never;
        /** Remove the policy of a job type */
        delete: operations["deleteTypesType"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/types/{type}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the changes of the policy of a job type */
        get: operations["getTypesTypeHistory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/defaults": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get the policy of each tenant without its own */
        get: operations["getDefaults"];
        /** Set the policy of each tenant without its own */
        put: operations["putDefaults"];
        post?: never;
        /** Remove the policy of each tenant without its own */
        delete: operations["deleteDefaults"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/defaults/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the changes of the policy of each tenant without its own */
        get: operations["getDefaultsHistory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * Attempt
         * @description One failed run. `at`: RFC 3339, UTC.
         */
        Attempt: {
            /** Attempt */
            attempt: number;
            /** Error */
            error: string;
            /** At */
            at: string;
            /** Workerid */
            workerId: number | null;
        };
        /**
         * BatchRequest
         * @description Jobs to create at once, all or none.
         */
        BatchRequest: {
            /** Jobs */
            jobs: components["schemas"]["JobToCreate"][];
        };
        /**
         * Breaker
         * @description What a worker knows of an endpoint of webhooks that is, or lately was, dead.
         */
        Breaker: {
            /** Endpoint */
            endpoint: string;
            /**
             * State
             * @enum {string}
             */
            state: "closed" | "open" | "half-open";
            /** Since */
            since: string;
            /** Reason */
            reason: string;
            /** Nextprobeat */
            nextProbeAt: string | null;
            /** Workerid */
            workerId: number;
        };
        /**
         * BreakerList
         * @description Endpoints of webhooks; `open`: how many are not closed.
         */
        BreakerList: {
            /** Open */
            open: number;
            /** Breakers */
            breakers: components["schemas"]["Breaker"][];
        };
        /**
         * Counted
         * @description How many jobs an operation with this filter would change.
         */
        Counted: {
            /**
             * Kind
             * @enum {string}
             */
            kind: "cancel" | "retry";
            /** Filter */
            filter: {
                [key: string]: string;
            };
            /** Matched */
            matched: number;
            /** Matchedisexact */
            matchedIsExact: boolean;
        };
        /**
         * Created
         * @description The id of a job that was created, or that its idempotency key brought back.
         */
        Created: {
            /** Jobid */
            jobId: string;
        };
        /**
         * CreatedMany
         * @description The ids of a batch, in order. `repeated`: the places, from 0, of those that idempotency keys
         *     brought back.
         */
        CreatedMany: {
            /** Jobids */
            jobIds: string[];
            /** Repeated */
            repeated?: number[];
        };
        /**
         * Explanation
         * @description Why a job waits: the first reason, by its `code`, and the same as a sentence.
         */
        Explanation: {
            /** Jobid */
            jobId: string;
            /**
             * Status
             * @enum {string}
             */
            status: "PENDING" | "RUNNING" | "COMPLETED" | "FAILED" | "CANCELLED";
            /** Reason */
            reason: {
                [key: string]: unknown;
            };
            /** Message */
            message: string;
        };
        /**
         * FilterRequest
         * @description Which jobs: those for which all that is said is true.
         */
        FilterRequest: {
            /**
             * Tenantid
             * @default null
             */
            tenantId?: string | null;
            /**
             * Type
             * @default null
             */
            type?: string | null;
            /** @default null */
            status?: components["schemas"]["Status"] | null;
            /**
             * Errorprefix
             * @default null
             */
            errorPrefix?: string | null;
            /**
             * Createdafter
             * @default null
             */
            createdAfter?: string | null;
            /**
             * Createdbefore
             * @default null
             */
            createdBefore?: string | null;
        };
        /**
         * Health
         * @description Whether a server works: "degraded" while Redis is away, handlers hang, or VACUUM is
         *     held back.
         */
        Health: {
            /**
             * Status
             * @enum {string}
             */
            status: "ok" | "degraded";
            /** Database */
            database: string;
            /** Queue */
            queue: string;
            /** Workers */
            workers?: string;
            /** Vacuum */
            vacuum?: string;
        };
        /** History */
        History: {
            /** Tenantid */
            tenantId: string | null;
            /** Type */
            type: string | null;
            /** From */
            from: string;
            /** To */
            to: string;
            /** Step */
            step: number;
            /** Quantileerror */
            quantileError: number;
            /** Points */
            points: components["schemas"]["HistoryPoint"][];
        };
        /**
         * HistoryPoint
         * @description What happened in a step from `at` on; `waiting` and `running` at its end. `complete` is false
         *     where this series was left out because others were busier.
         */
        HistoryPoint: {
            /** At */
            at: string;
            /** Submitted */
            submitted: number;
            /** Completed */
            completed: number;
            /** Failed */
            failed: number;
            /** Cancelled */
            cancelled: number;
            /** Retried */
            retried: number;
            /** Waiting */
            waiting: number | null;
            /** Running */
            running: number | null;
            waitSeconds: components["schemas"]["Quantiles"] | null;
            runSeconds: components["schemas"]["Quantiles"] | null;
            /** Complete */
            complete: boolean;
        };
        /**
         * Job
         * @description A job. Times are RFC 3339 in UTC. Lists have what comes before `payload`, and `tags`.
         *     `rerunOf`: the id of its original; `reruns`: the ids of its newest re-runs, 20 at most, newest
         *     first.
         */
        Job: {
            /** Id */
            id: string;
            /** Tenantid */
            tenantId: string;
            /** Type */
            type: string;
            /**
             * Status
             * @enum {string}
             */
            status: "PENDING" | "RUNNING" | "COMPLETED" | "FAILED" | "CANCELLED";
            /** Attempts */
            attempts: number;
            /** Crashes */
            crashes: number;
            /** Maxattempts */
            maxAttempts: number | null;
            /** Priority */
            priority: number;
            /** Error */
            error: string | null;
            /** Version */
            version: number;
            /** Workerid */
            workerId: number | null;
            /** Runat */
            runAt: string;
            /** Createdat */
            createdAt: string;
            /** Updatedat */
            updatedAt: string;
            /** Startedat */
            startedAt: string | null;
            /** Finishedat */
            finishedAt: string | null;
            /** Payload */
            payload?: unknown;
            /** Result */
            result?: unknown;
            /** Errors */
            errors?: components["schemas"]["Attempt"][];
            /** Callbackurl */
            callbackUrl?: string | null;
            /** Key */
            key?: string | null;
            /** Tags */
            tags?: {
                [key: string]: string;
            };
            /** Rerunof */
            rerunOf?: string | null;
            /** Reruns */
            reruns?: string[];
            progress?: components["schemas"]["Progress"] | null;
        };
        /**
         * JobPage
         * @description A page of jobs, newest first. `nextCursor` is None on the last page.
         */
        JobPage: {
            /** Jobs */
            jobs: components["schemas"]["Job"][];
            /** Nextcursor */
            nextCursor: string | null;
        };
        /**
         * JobRequest
         * @description A job to create, as in POST /jobs.
         */
        JobRequest: {
            /** Tenantid */
            tenantId: string;
            /** Type */
            type: string;
            /** Payload */
            payload?: unknown;
            /** Priority */
            priority?: number;
            /** Delayms */
            delayMs?: number | null;
            /** Runat */
            runAt?: string | null;
            /** Maxattempts */
            maxAttempts?: number | null;
            /** Timeoutms */
            timeoutMs?: number | null;
            /** Idempotencykey */
            idempotencyKey?: string | null;
            /** Callbackurl */
            callbackUrl?: string | null;
            /** Key */
            key?: string | null;
            /** Replace */
            replace?: boolean;
            /** Tags */
            tags?: {
                [key: string]: string;
            } | null;
        };
        /**
         * JobType
         * @description A job type, the JSON schema of its payload, how many live workers take its jobs, and who is
         *     told of their ends.
         */
        JobType: {
            /** Name */
            name: string;
            /** Schema */
            schema: {
                [key: string]: unknown;
            };
            /** Workers */
            workers: number;
            /** Callbackurl */
            callbackUrl: string | null;
        };
        /**
         * LogLine
         * @description A line of a job's log. `at`: RFC 3339, UTC; `fields`: what the handler gave by name.
         */
        LogLine: {
            /** Offset */
            offset: number;
            /** Attempt */
            attempt: number;
            /** At */
            at: string;
            /** Text */
            text: string;
            /** Fields */
            fields: {
                [key: string]: unknown;
            } | null;
        };
        /**
         * LogPage
         * @description Lines of a job's log, oldest first. `next`: the offset to continue after.
         */
        LogPage: {
            /** Lines */
            lines: components["schemas"]["LogLine"][];
            /** Next */
            next: number;
        };
        /**
         * Need
         * @description How many slots a job type needs; None: the run time is unknown.
         */
        Need: {
            /** Type */
            type: string;
            /** Slots */
            slots: number;
            /** Waiting */
            waiting: number;
            /** Running */
            running: number;
            /** Meanrunseconds */
            meanRunSeconds: number | null;
        };
        /**
         * Operation
         * @description Many jobs cancelled or retried. `done`: changed so far; `skipped`: found, but changed by
         *     others before it came to them.
         */
        Operation: {
            /** Id */
            id: string;
            /**
             * Kind
             * @enum {string}
             */
            kind: "cancel" | "retry";
            /**
             * State
             * @enum {string}
             */
            state: "PENDING" | "RUNNING" | "COMPLETED" | "ABORTED" | "FAILED";
            /** Filter */
            filter: {
                [key: string]: string;
            };
            /** Matched */
            matched: number;
            /** Matchedisexact */
            matchedIsExact: boolean;
            /** Done */
            done: number;
            /** Skipped */
            skipped: number;
            /** Createdat */
            createdAt: string;
            /** Finishedat */
            finishedAt: string | null;
            /** Error */
            error: string | null;
        };
        /**
         * OperationPage
         * @description A page of operations, newest first. `nextCursor` is None on the last page.
         */
        OperationPage: {
            /** Operations */
            operations: components["schemas"]["Operation"][];
            /** Nextcursor */
            nextCursor: string | null;
        };
        /**
         * OperationRequest
         * @description The body of POST /jobs/cancel and POST /jobs/retry.
         */
        OperationRequest: {
            filter: components["schemas"]["FilterRequest"];
            /**
             * Dryrun
             * @default false
             */
            dryRun?: boolean;
        };
        /**
         * PolicyChange
         * @description One change of a policy. `at`: RFC 3339, UTC.
         */
        PolicyChange: {
            /** Version */
            version: number;
            /** At */
            at: string;
            /** Before */
            before: {
                [key: string]: unknown;
            };
            /** After */
            after: {
                [key: string]: unknown;
            };
        };
        /**
         * PolicyHistory
         * @description Changes of a policy, newest first. `nextCursor` is None on the last page.
         */
        PolicyHistory: {
            /** Changes */
            changes: components["schemas"]["PolicyChange"][];
            /** Nextcursor */
            nextCursor: number | null;
        };
        /**
         * PolicyShown
         * @description A policy as it was set, and of a tenant what holds now.
         */
        PolicyShown: {
            /** Id */
            id?: string;
            /** Policy */
            policy: {
                [key: string]: unknown;
            };
            /** Effective */
            effective?: {
                [key: string]: unknown;
            };
        };
        /**
         * Progress
         * @description How far the newest run of a job is, from 0 to 1, and what it does. `at`: RFC 3339, UTC.
         */
        Progress: {
            /** Fraction */
            fraction: number;
            /** Text */
            text: string;
            /** At */
            at: string;
        };
        /**
         * Quantiles
         * @description Seconds that half, 95 % and 99 % of the runs took at most; see `quantileError`.
         */
        Quantiles: {
            /** P50 */
            p50: number;
            /** P95 */
            p95: number;
            /** P99 */
            p99: number;
        };
        /**
         * RunningType
         * @description How many jobs of a type run.
         */
        RunningType: {
            /** Type */
            type: string;
            /** Jobs */
            jobs: number;
        };
        /**
         * Scaling
         * @description How many slots are needed so that what waits starts within the time.
         */
        Scaling: {
            /** Targetwaitseconds */
            targetWaitSeconds: number;
            /** Slots */
            slots: number;
            /** Types */
            types: components["schemas"]["Need"][];
        };
        /**
         * Stats
         * @description How many jobs have which status; None: no due job waits. `vacuumHeldBy`: only without a
         *     tenant; None: nothing holds it.
         */
        Stats: {
            /** Tenantid */
            tenantId?: string;
            /** Counts */
            counts: {
                [key: string]: number;
            };
            /** Oldestwaitingseconds */
            oldestWaitingSeconds: number | null;
            vacuumHeldBy?: components["schemas"]["VacuumHeld"] | null;
        };
        /**
         * Status
         * @description PENDING → RUNNING → COMPLETED, FAILED or PENDING again (a retry). CANCELLED by a person, or
         *     by the handler.
         * @enum {string}
         */
        Status: "PENDING" | "RUNNING" | "COMPLETED" | "FAILED" | "CANCELLED";
        /**
         * Tenant
         * @description A tenant: how many of its jobs have which status, what it has of the work, and what holds it
         *     back.
         */
        Tenant: {
            /** Id */
            id: string;
            /** Counts */
            counts: {
                [key: string]: number;
            };
            /** Backlog */
            backlog: number;
            /** Running */
            running: number;
            /** Oldestwaitingseconds */
            oldestWaitingSeconds: number | null;
            /** Weight */
            weight: number;
            /** Weightshare */
            weightShare: number;
            /** Runningshare */
            runningShare: number;
            /** Heldby */
            heldBy: string | null;
            /** Policy */
            policy: {
                [key: string]: unknown;
            };
        };
        /**
         * TenantPage
         * @description A page of tenants. `nextCursor` is None on the last page.
         */
        TenantPage: {
            /** Tenants */
            tenants: components["schemas"]["Tenant"][];
            /** Nextcursor */
            nextCursor: string | null;
        };
        /**
         * TenantPolicyRequest
         * @description What may be said of a tenant, or of each that has no value of its own.
         */
        TenantPolicyRequest: {
            /**
             * Maxrunning
             * @default null
             */
            maxRunning?: number | components["schemas"]["UntilJobs"] | null;
            /**
             * Ratepersecond
             * @default null
             */
            ratePerSecond?: number | components["schemas"]["UntilRate"] | null;
            /**
             * Burst
             * @default null
             */
            burst?: number | components["schemas"]["UntilBurst"] | null;
            /**
             * Paused
             * @default null
             */
            paused?: boolean | components["schemas"]["UntilPaused"] | null;
            /**
             * Weight
             * @default null
             */
            weight?: number | components["schemas"]["UntilWeight"] | null;
            /**
             * Maxwaiting
             * @default null
             */
            maxWaiting?: number | components["schemas"]["UntilJobs"] | null;
        };
        /**
         * TypeList
         * @description All job types, by name.
         */
        TypeList: {
            /** Types */
            types: components["schemas"]["JobType"][];
        };
        /**
         * TypeNumbers
         * @description A job type in numbers.
         */
        TypeNumbers: {
            /** Type */
            type: string;
            /** Counts */
            counts: {
                [key: string]: number;
            };
            /** Workers */
            workers: number;
            /** Meanrunseconds */
            meanRunSeconds: number | null;
        };
        /**
         * TypeNumbersList
         * @description All job types in numbers, by name.
         */
        TypeNumbersList: {
            /** Types */
            types: components["schemas"]["TypeNumbers"][];
        };
        /**
         * TypePolicyRequest
         * @description What may limit a job type.
         */
        TypePolicyRequest: {
            /**
             * Maxrunning
             * @default null
             */
            maxRunning?: number | components["schemas"]["UntilJobs"] | null;
            /**
             * Ratepersecond
             * @default null
             */
            ratePerSecond?: number | components["schemas"]["UntilRate"] | null;
            /**
             * Burst
             * @default null
             */
            burst?: number | components["schemas"]["UntilBurst"] | null;
            /**
             * Paused
             * @default null
             */
            paused?: boolean | components["schemas"]["UntilPaused"] | null;
        };
        /**
         * Unhealthy
         * @description Why a server does not work: "draining" while it stops, "unavailable" without PostgreSQL.
         */
        Unhealthy: {
            /**
             * Status
             * @enum {string}
             */
            status: "draining" | "unavailable";
            /** Database */
            database?: string;
            /** Queue */
            queue?: string;
        };
        /**
         * UntilBurst
         * @description A burst that ends by itself; from `until` on, `then` holds.
         */
        UntilBurst: {
            /** Value */
            value: number;
            /**
             * Until
             * Format: date-time
             */
            until: string;
            /**
             * Then
             * @default null
             */
            then?: number | null;
        };
        /**
         * UntilJobs
         * @description A number of jobs that ends by itself; from `until` on, `then` holds.
         */
        UntilJobs: {
            /** Value */
            value: number;
            /**
             * Until
             * Format: date-time
             */
            until: string;
            /**
             * Then
             * @default null
             */
            then?: number | null;
        };
        /**
         * UntilPaused
         * @description A pause that ends by itself; from `until` on, `then` holds.
         */
        UntilPaused: {
            /** Value */
            value: boolean;
            /**
             * Until
             * Format: date-time
             */
            until: string;
            /**
             * Then
             * @default null
             */
            then?: boolean | null;
        };
        /**
         * UntilRate
         * @description A rate that ends by itself; from `until` on, `then` holds.
         */
        UntilRate: {
            /** Value */
            value: number;
            /**
             * Until
             * Format: date-time
             */
            until: string;
            /**
             * Then
             * @default null
             */
            then?: number | null;
        };
        /**
         * UntilWeight
         * @description A weight that ends by itself; from `until` on, `then` holds.
         */
        UntilWeight: {
            /** Value */
            value: number;
            /**
             * Until
             * Format: date-time
             */
            until: string;
            /**
             * Then
             * @default null
             */
            then?: number | null;
        };
        /**
         * VacuumHeld
         * @description What keeps VACUUM from removing dead rows, and for how long.
         */
        VacuumHeld: {
            /**
             * Kind
             * @enum {string}
             */
            kind: "session" | "prepared" | "slot" | "standby";
            /** Holder */
            holder: string;
            /** Seconds */
            seconds: number;
        };
        /**
         * Worker
         * @description A live worker. `draining`: it claims no more jobs.
         */
        Worker: {
            /** Id */
            id: number;
            /** Name */
            name: string;
            /** Version */
            version: string | null;
            /** Startedat */
            startedAt: string;
            /** Silentseconds */
            silentSeconds: number;
            /** Hunghandlers */
            hungHandlers: number;
            /** Draining */
            draining: boolean;
            /** Pools */
            pools: {
                [key: string]: components["schemas"]["WorkerPool"];
            };
            /** Running */
            running: components["schemas"]["RunningType"][];
        };
        /**
         * WorkerList
         * @description The live workers; `runsAreComplete` is false if there was no time to look at all that
         *     runs.
         */
        WorkerList: {
            /** Workers */
            workers: components["schemas"]["Worker"][];
            /** Runsarecomplete */
            runsAreComplete: boolean;
        };
        /**
         * WorkerPool
         * @description Where a worker runs jobs: how many at once, how many now, of which types.
         */
        WorkerPool: {
            /** Slots */
            slots: number;
            /** Used */
            used: number;
            /** Types */
            types: string[];
        };
        /** Bad Request */
        ProblemBadRequest: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Bad Request";
            /** @constant */
            status: 400;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /** Forbidden */
        ProblemForbidden: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Forbidden";
            /** @constant */
            status: 403;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /** Not Found */
        ProblemNotFound: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Not Found";
            /** @constant */
            status: 404;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /** Request Timeout */
        ProblemRequestTimeout: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Request Timeout";
            /** @constant */
            status: 408;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /** Conflict */
        ProblemConflict: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Conflict";
            /** @constant */
            status: 409;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /** Request Entity Too Large */
        ProblemRequestEntityTooLarge: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Request Entity Too Large";
            /** @constant */
            status: 413;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /** Unsupported Media Type */
        ProblemUnsupportedMediaType: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Unsupported Media Type";
            /** @constant */
            status: 415;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /** Misdirected Request */
        ProblemMisdirectedRequest: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Misdirected Request";
            /** @constant */
            status: 421;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /** Unprocessable Entity */
        ProblemUnprocessableEntity: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Unprocessable Entity";
            /** @constant */
            status: 422;
            detail: string;
            errors: {
                field: string;
                message: string;
            }[];
        };
        /** Too Many Requests */
        ProblemTooManyRequests: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Too Many Requests";
            /** @constant */
            status: 429;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /** Internal Server Error */
        ProblemInternalServerError: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Internal Server Error";
            /** @constant */
            status: 500;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /** Service Unavailable */
        ProblemServiceUnavailable: {
            /** @constant */
            type: "about:blank";
            /** @constant */
            title: "Service Unavailable";
            /** @constant */
            status: 503;
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
        };
        /**
         * csv_profile
         * @description Which CSV: its text, a URL, or a file under MONOQ_FILES_DIR. What is not said of its form is
         *     detected from its first row.
         * @example {
         *       "csv": "item,price\nbread,2.50\n"
         *     }
         */
        "Payload.csv_5f_profile": {
            /**
             * Csv
             * @default null
             */
            csv?: string | null;
            /**
             * Url
             * @default null
             */
            url?: string | null;
            /**
             * Path
             * @default null
             */
            path?: string | null;
            /**
             * Delimiter
             * @default null
             */
            delimiter?: ("," | ";" | "\t" | "|") | null;
            /**
             * Header
             * @default null
             */
            header?: boolean | null;
            /**
             * Encoding
             * @default utf-8
             * @enum {string}
             */
            encoding?: "utf-8" | "latin-1" | "utf-16";
        };
        /** echo */
        "Payload.echo": unknown;
        /**
         * email
         * @description A mail. `resend`: send it once more when it is not known whether it was sent.
         * @example {
         *       "subject": "Hello",
         *       "text": "It works.",
         *       "to": [
         *         "ann@example.com"
         *       ]
         *     }
         */
        "Payload.email": {
            /** @default null */
            from?: string | null;
            /**
             * To
             * @default []
             */
            to?: string[] | string;
            /**
             * Cc
             * @default []
             */
            cc?: string[] | string;
            /**
             * Bcc
             * @default []
             */
            bcc?: string[] | string;
            /** @default null */
            replyTo?: string | null;
            /**
             * Subject
             * @default
             */
            subject?: string;
            /**
             * Text
             * @default null
             */
            text?: string | null;
            /**
             * Html
             * @default null
             */
            html?: string | null;
            /**
             * Attachments
             * @default []
             */
            attachments?: components["schemas"]["Payload.email"]["$defs"]["Attachment"][];
            /**
             * Headers
             * @default {}
             */
            headers?: {
                [key: string]: string;
            };
            /**
             * Resend
             * @default false
             */
            resend?: boolean;
            $defs: {
                /**
                 * Attachment
                 * @description A file.
                 */
                Attachment: {
                    /** Filename */
                    filename: string;
                    /**
                     * Contenttype
                     * @default application/octet-stream
                     */
                    contentType?: string;
                    /** Content */
                    content: string;
                };
            };
        };
        /**
         * sleep
         * @description How long to wait, in milliseconds; an hour at most.
         * @example {
         *       "delayMs": 3000
         *     }
         */
        "Payload.sleep": {
            /** Delayms */
            delayMs: number;
        };
        /**
         * webhook
         * @description What is posted where. `timeoutMs`: how long the whole call may take.
         * @example {
         *       "body": {
         *         "event": "order.paid"
         *       },
         *       "url": "https://example.com/hook"
         *     }
         */
        "Payload.webhook": {
            /** Url */
            url: string;
            /** Body */
            body?: unknown;
            /** Headers */
            headers?: {
                [key: string]: string;
            };
            /**
             * Timeoutms
             * @default 15000
             */
            timeoutMs?: number;
        };
        JobToCreate: components["schemas"]["JobRequest"] & ({
            /** @constant */
            type: "csv_profile";
            payload?: components["schemas"]["Payload.csv_5f_profile"];
        } | {
            /** @constant */
            type: "echo";
            payload?: components["schemas"]["Payload.echo"];
        } | {
            /** @constant */
            type: "email";
            payload?: components["schemas"]["Payload.email"];
        } | {
            /** @constant */
            type: "sleep";
            payload: components["schemas"]["Payload.sleep"];
        } | {
            /** @constant */
            type: "webhook";
            payload: components["schemas"]["Payload.webhook"];
        });
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    getJobs: {
        parameters: {
            query: {
                tenantId: string;
                status?: components["schemas"]["Status"];
                type?: string;
                createdAfter?: string;
                createdBefore?: string;
                error?: string;
                idempotencyKey?: string;
                tag?: string[];
                limit?: number;
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobPage"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    postJobs: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobToCreate"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Created"];
                };
            };
            /** @description Created */
            201: {
                headers: {
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Created"];
                };
            };
            /** @description Bad Request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBadRequest"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Request Timeout */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemRequestTimeout"];
                };
            };
            /** @description Conflict */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemConflict"];
                };
            };
            /** @description Request Entity Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemRequestEntityTooLarge"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemTooManyRequests"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    postJobsBatch: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BatchRequest"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedMany"];
                };
            };
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedMany"];
                };
            };
            /** @description Bad Request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBadRequest"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Request Timeout */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemRequestTimeout"];
                };
            };
            /** @description Conflict */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemConflict"];
                };
            };
            /** @description Request Entity Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemRequestEntityTooLarge"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemTooManyRequests"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getJobsJobid: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                jobId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemNotFound"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getJobsJobidLog: {
        parameters: {
            query?: {
                after?: number;
                limit?: number;
            };
            header?: never;
            path: {
                jobId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LogPage"];
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemNotFound"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getJobsJobidExplain: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                jobId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Explanation"];
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemNotFound"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    postJobsJobidCancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                jobId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemNotFound"];
                };
            };
            /** @description Conflict */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemConflict"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    postJobsJobidRetry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                jobId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemNotFound"];
                };
            };
            /** @description Conflict */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemConflict"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    postJobsCancel: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OperationRequest"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Counted"];
                };
            };
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Operation"];
                };
            };
            /** @description Bad Request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBadRequest"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Request Entity Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemRequestEntityTooLarge"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    postJobsRetry: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OperationRequest"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Counted"];
                };
            };
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Operation"];
                };
            };
            /** @description Bad Request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBadRequest"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Request Entity Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemRequestEntityTooLarge"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getOperations: {
        parameters: {
            query?: {
                limit?: number;
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OperationPage"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getOperationsOperationid: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                operationId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Operation"];
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemNotFound"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    deleteOperationsOperationid: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                operationId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Operation"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemNotFound"];
                };
            };
            /** @description Conflict */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemConflict"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    postOperationsOperationidAbort: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                operationId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Operation"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemNotFound"];
                };
            };
            /** @description Conflict */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemConflict"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getTenants: {
        parameters: {
            query?: {
                limit?: number;
                cursor?: string;
                sort?: "tenant" | "backlog" | "running" | "oldest";
                order?: "asc" | "desc";
                prefix?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TenantPage"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getStats: {
        parameters: {
            query?: {
                tenantId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stats"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getStatsHistory: {
        parameters: {
            query?: {
                tenantId?: string;
                type?: string;
                from?: string;
                to?: string;
                step?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["History"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getScaling: {
        parameters: {
            query?: {
                targetWaitSeconds?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Scaling"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getTypes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TypeList"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getStatsTypes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TypeNumbersList"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getWorkers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkerList"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    postWorkersWorkeridDrain: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workerId: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Worker"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemNotFound"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    postWorkersWorkeridResume: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workerId: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Worker"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemNotFound"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getBreakers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BreakerList"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Unhealthy"];
                };
            };
        };
    };
    getMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getOpenapiJson: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getTenantsTenantid: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenantId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyShown"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    putTenantsTenantid: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenantId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TenantPolicyRequest"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyShown"];
                };
            };
            /** @description Bad Request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBadRequest"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Request Entity Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemRequestEntityTooLarge"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    deleteTenantsTenantid: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                tenantId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyShown"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getTenantsTenantidHistory: {
        parameters: {
            query?: {
                limit?: number;
                cursor?: number;
            };
            header?: never;
            path: {
                tenantId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyHistory"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getTypesType: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                type: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyShown"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    putTypesType: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                type: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TypePolicyRequest"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyShown"];
                };
            };
            /** @description Bad Request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBadRequest"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Request Entity Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemRequestEntityTooLarge"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    deleteTypesType: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                type: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyShown"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getTypesTypeHistory: {
        parameters: {
            query?: {
                limit?: number;
                cursor?: number;
            };
            header?: never;
            path: {
                type: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyHistory"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getDefaults: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyShown"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    putDefaults: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TenantPolicyRequest"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyShown"];
                };
            };
            /** @description Bad Request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBadRequest"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Request Entity Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemRequestEntityTooLarge"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    deleteDefaults: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyShown"];
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemForbidden"];
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnsupportedMediaType"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
    getDefaultsHistory: {
        parameters: {
            query?: {
                limit?: number;
                cursor?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PolicyHistory"];
                };
            };
            /** @description Misdirected Request */
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemMisdirectedRequest"];
                };
            };
            /** @description Unprocessable Entity */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemUnprocessableEntity"];
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemInternalServerError"];
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    /** @description seconds */
                    "Retry-After"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemServiceUnavailable"];
                };
            };
        };
    };
}
