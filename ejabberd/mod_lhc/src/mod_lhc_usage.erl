%%% How full the queues of a virtual host are, and how much of the host's bound each may use.
%%%
%%% While less than half of the bound is in use, a queue may use a quarter of it. Beyond that it may use its part of the
%%% other half, which is as large as that of each other queue. So whatever other tenants do, a tenant has that part. A queue
%%% that is alone may use the whole bound.

-module(mod_lhc_usage).

-export([new/1, slot/2, set/3, limit/2]).
%% For tests.
-export([limit/3]).

%% Counters: how many queues there are, then entries and bytes of each.
-type counters() :: atomics:atomics_ref().
-type slot() :: {counters(), pos_integer()}.

-export_type([counters/0, slot/0]).

-spec new(MaxQueues :: pos_integer()) -> counters().
new(MaxQueues) ->
    atomics:new(1 + 2 * MaxQueues, [{signed, true}]).

%% The slot of the queue with this number, counted from 1. Numbers are given in order.
-spec slot(counters(), pos_integer()) -> slot().
slot(Counters, Number) ->
    atomics:put(Counters, 1, max(Number, atomics:get(Counters, 1))),
    {Counters, Number}.

%% The queue has so many entries and bytes.
-spec set(slot(), non_neg_integer(), non_neg_integer()) -> ok.
set({Counters, Number}, Entries, Bytes) ->
    atomics:put(Counters, 2 * Number, Entries),
    atomics:put(Counters, 2 * Number + 1, Bytes).

%% How many entries and bytes a queue may have now. Bound is that of the host.
-spec limit(slot(), Bound :: {pos_integer(), pos_integer()}) -> {pos_integer(), pos_integer()}.
limit({Counters, _}, {MaxEntries, MaxBytes}) ->
    case atomics:get(Counters, 1) of
        1 ->
            {MaxEntries, MaxBytes};
        Queues ->
            {Entries, Bytes} = total(Counters, Queues, 0, 0),
            {limit(MaxEntries, Entries, Queues), limit(MaxBytes, Bytes, Queues)}
    end.

total(_Counters, 0, Entries, Bytes) ->
    {Entries, Bytes};
total(Counters, N, Entries, Bytes) ->
    total(Counters, N - 1, Entries + atomics:get(Counters, 2 * N), Bytes + atomics:get(Counters, 2 * N + 1)).

-spec limit(Bound :: pos_integer(), InUse :: non_neg_integer(), Queues :: pos_integer()) -> pos_integer().
limit(Bound, _InUse, 1) ->
    Bound;
limit(Bound, InUse, Queues) ->
    Part = max(1, Bound div (2 * Queues)),
    case 2 * InUse < Bound of
        true -> max(Part, Bound div 4);
        false -> Part
    end.
