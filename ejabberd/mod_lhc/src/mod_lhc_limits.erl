%%% How much one session of an operator may say. Pure. The value lives in the state of ejabberd's session process.
%%%
%%% There is a bucket for messages, one for signals (receipts, markers, chat states), and one for other stanzas to visitors.
%%% A fourth one, with few tokens, is for presence, and for markers of messages that the module does not remember. Of what
%%% comes over a bucket and has a key, the latest of each key is held, and is due when there are tokens again.

-module(mod_lhc_limits).

-export([new/0, take/4, admit/6, hold/4, cancel/2, due/3, is_holding/1]).

-type bucket() :: message | signal | directed | slow.
-type key() :: presence | {displayed | chat_state, Visitor :: binary()}.
-type rates() :: #{message_rate := number(), message_burst := pos_integer(),
                   signal_rate := number(), signal_burst := pos_integer(), atom() => term()}.

-opaque limits() :: #{buckets := #{bucket() => mod_lhc_bucket:bucket()},
                      %% Oldest first.
                      pending := [{key(), bucket(), Report :: term()}]}.

-export_type([limits/0, key/0]).

%% Presences a second and at once. A person changes it now and then; a client with automatic away does so as well.
-define(SLOW_RATE, 1).
-define(SLOW_BURST, 10).
%% Keys whose latest report waits. The reports of further ones are dropped.
-define(MAX_PENDING, 100).

-spec new() -> limits().
new() ->
    #{buckets => #{}, pending => []}.

%% True if something waits for tokens.
-spec is_holding(limits()) -> boolean().
is_holding(#{pending := Pending}) ->
    Pending =/= [].

%% Takes a token, if there is one.
-spec take(bucket(), rates(), Now :: integer(), limits()) -> {boolean(), limits()}.
take(Name, Rates, Now, #{buckets := Buckets} = Limits) ->
    {Rate, Burst} = rate(Name, Rates),
    Bucket = case Buckets of
                 #{Name := Known} -> Known;
                 _ -> mod_lhc_bucket:new()
             end,
    {Taken, Next} = mod_lhc_bucket:take(Rate, Burst, Now, Bucket),
    {Taken, Limits#{buckets := Buckets#{Name => Next}}}.

rate(message, #{message_rate := Rate, message_burst := Burst}) -> {Rate, Burst};
rate(signal, #{signal_rate := Rate, signal_burst := Burst}) -> {Rate, Burst};
rate(directed, Rates) -> rate(signal, Rates);
rate(slow, _Rates) -> {?SLOW_RATE, ?SLOW_BURST}.

%% now: report it. later: it waits in the place of an earlier one of this key. first: so does it, and nothing waited before,
%% so due/3 has to be called after some time.
-spec admit(key(), bucket(), Report :: term(), rates(), Now :: integer(), limits()) ->
          {now | later | first, limits()}.
admit(Key, Bucket, Report, Rates, Now, #{pending := Pending} = Limits) ->
    case lists:keymember(Key, 1, Pending) of
        true -> hold(Key, Bucket, Report, Limits);
        false ->
            case take(Bucket, Rates, Now, Limits) of
                {true, Taken} -> {now, Taken};
                {false, Empty} -> hold(Key, Bucket, Report, Empty)
            end
    end.

%% Lets the report wait in any case.
-spec hold(key(), bucket(), Report :: term(), limits()) -> {later | first, limits()}.
hold(Key, Bucket, Report, #{pending := []} = Limits) ->
    {first, Limits#{pending := [{Key, Bucket, Report}]}};
hold(Key, Bucket, Report, #{pending := Pending} = Limits) ->
    Others = lists:keydelete(Key, 1, Pending),
    case length(Others) >= ?MAX_PENDING of
        true -> {later, Limits};
        false -> {later, Limits#{pending := Others ++ [{Key, Bucket, Report}]}}
    end.

%% The report of this key has become meaningless.
-spec cancel(key(), limits()) -> limits().
cancel(Key, #{pending := Pending} = Limits) ->
    Limits#{pending := lists:keydelete(Key, 1, Pending)}.

%% The reports that there are tokens for now, oldest first, and whether others still wait.
-spec due(rates(), Now :: integer(), limits()) -> {[Report :: term()], boolean(), limits()}.
due(Rates, Now, #{pending := Pending} = Limits) ->
    {Due, Waiting, Left} =
        lists:foldl(fun({_, Bucket, Report} = Entry, {Reports, Others, Acc}) ->
                            case take(Bucket, Rates, Now, Acc) of
                                {true, Taken} -> {[Report | Reports], Others, Taken};
                                {false, Empty} -> {Reports, [Entry | Others], Empty}
                            end
                    end, {[], [], Limits}, Pending),
    {lists:reverse(Due), Waiting =/= [], Left#{pending := lists:reverse(Waiting)}}.
