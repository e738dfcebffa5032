%%% A token bucket: so many at once, and so many a second in the long run. Pure. Times are milliseconds of a monotonic clock.

-module(mod_lhc_bucket).

-export([new/0, take/4]).

-opaque bucket() :: full | {Tokens :: float(), At :: integer()}.

-export_type([bucket/0]).

-spec new() -> bucket().
new() ->
    full.

%% Takes one token, if there is one.
-spec take(Rate :: number(), Burst :: pos_integer(), Now :: integer(), bucket()) -> {boolean(), bucket()}.
take(_Rate, Burst, Now, full) ->
    {true, {Burst - 1.0, Now}};
take(Rate, Burst, Now, {Tokens, At}) ->
    case min(float(Burst), Tokens + max(0, Now - At) * Rate / 1000) of
        Enough when Enough >= 1.0 -> {true, {Enough - 1.0, Now}};
        TooFew -> {false, {TooFew, Now}}
    end.
