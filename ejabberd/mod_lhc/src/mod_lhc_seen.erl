%%% Which messages of visitors were routed to which sessions of operators, and which were delivered, so that a repeat
%%% (the same operator, visitor and id) is known. In memory: the last 1,000 of each operator.
%%%
%%% One public ETS table for each virtual host, owned by the module's supervisor. Rows:
%%%   {Key, State, Pids, Number}      Key = 12 bytes of a hash, State = open | offline | {delivered, By},
%%%                                   Pids = the sessions that it was routed to
%%%   {{Operator, Number}, Key}       the order, to forget the oldest
%%%   {{last, Operator}, Number}

-module(mod_lhc_seen).

-export([new/1, place/4, has/5, routed/5, left/5, moved/6, stored/4, delivered/5, forget/2]).

-type table() :: atom().
-type by() :: receipt | ping.
-type place() :: unknown | {routed, [pid()]} | offline | {delivered, by()}.

-export_type([by/0]).

-define(KEPT, 1000).
%% Sessions of one operator that have the same message.
-define(PIDS, 10).

-spec new(table()) -> table().
new(Table) ->
    ets:new(Table, [named_table, public, set, {read_concurrency, true}, {write_concurrency, true}]).

%% Where the message is. Sessions that have ended don't count: what was routed to them may be lost.
-spec place(table(), binary(), binary(), binary()) -> place().
place(Table, Operator, Visitor, Id) ->
    case ets:lookup(Table, key(Operator, Visitor, Id)) of
        [] -> unknown;
        [{_, open, Pids, _}] ->
            case [Pid || Pid <- Pids, alive(Pid)] of
                [] -> unknown;
                Alive -> {routed, Alive}
            end;
        [{_, State, _, _}] -> State
    end.

%% Sessions of other nodes of a cluster are not in our table: each node keeps what its own sessions got.
alive(Pid) ->
    node(Pid) =:= node() andalso is_process_alive(Pid).

%% Whether the message was routed to this very session.
-spec has(table(), binary(), binary(), binary(), pid()) -> boolean().
has(Table, Operator, Visitor, Id, Pid) ->
    case ets:lookup(Table, key(Operator, Visitor, Id)) of
        [{_, _, Pids, _}] -> lists:member(Pid, Pids);
        [] -> false
    end.

-spec routed(table(), binary(), binary(), binary(), pid()) -> ok.
routed(Table, Operator, Visitor, Id, Pid) ->
    update(Table, Operator, Visitor, Id,
           fun(offline, Pids) -> {open, add(Pid, Pids)};
              (State, Pids) -> {State, add(Pid, Pids)}
           end).

%% A session that had the message has ended.
-spec left(table(), binary(), binary(), binary(), pid()) -> ok.
left(Table, Operator, Visitor, Id, Pid) ->
    update(Table, Operator, Visitor, Id, fun(State, Pids) -> {State, lists:delete(Pid, Pids)} end).

%% A session was resumed by another process.
-spec moved(table(), binary(), binary(), binary(), pid(), pid()) -> ok.
moved(Table, Operator, Visitor, Id, From, To) ->
    update(Table, Operator, Visitor, Id, fun(State, Pids) -> {State, add(To, lists:delete(From, Pids))} end).

%% The message is in offline storage.
-spec stored(table(), binary(), binary(), binary()) -> ok.
stored(Table, Operator, Visitor, Id) ->
    update(Table, Operator, Visitor, Id,
           fun(open, Pids) -> {offline, Pids};
              (State, Pids) -> {State, Pids}
           end).

%% `again` when that was known. Of several sessions that say so at once one is the first.
-spec delivered(table(), binary(), binary(), binary(), by()) -> first | again.
delivered(Table, Operator, Visitor, Id, By) ->
    case change(Table, Operator, Visitor, Id,
                fun({delivered, _} = Known, Pids) -> {Known, Pids};
                   (_, Pids) -> {{delivered, By}, Pids}
                end) of
        {delivered, _} -> again;
        _ -> first
    end.

%% The account is gone.
-spec forget(table(), binary()) -> ok.
forget(Table, Operator) ->
    case ets:lookup(Table, {last, Operator}) of
        [{_, Last}] ->
            [drop(Table, Operator, N) || N <- lists:seq(max(1, Last - ?KEPT), Last)],
            ets:delete(Table, {last, Operator}),
            ok;
        [] -> ok
    end.

update(Table, Operator, Visitor, Id, Change) ->
    _ = change(Table, Operator, Visitor, Id, Change),
    ok.

%% Gives the state before. Sessions of an operator meet here, each in its own process: what one wrote since the other
%% looked is not overwritten, the other looks again.
change(Table, Operator, Visitor, Id, Change) ->
    Key = key(Operator, Visitor, Id),
    case ets:lookup(Table, Key) of
        [{_, State, Pids, Number} = Old] ->
            case Change(State, Pids) of
                {State, Pids} ->
                    State;
                {NewState, NewPids} ->
                    case ets:select_replace(Table, [{Old, [], [{const, {Key, NewState, NewPids, Number}}]}]) of
                        1 -> State;
                        0 -> change(Table, Operator, Visitor, Id, Change)
                    end
            end;
        [] ->
            {State, Pids} = Change(open, []),
            Number = ets:update_counter(Table, {last, Operator}, 1, {{last, Operator}, 0}),
            case ets:insert_new(Table, {Key, State, Pids, Number}) of
                true ->
                    ets:insert(Table, {{Operator, Number}, Key}),
                    drop(Table, Operator, Number - ?KEPT),
                    open;
                false ->
                    drop(Table, Operator, Number - ?KEPT),
                    change(Table, Operator, Visitor, Id, Change)
            end
    end.

add(Pid, Pids) ->
    lists:sublist([Pid | lists:delete(Pid, Pids)], ?PIDS).

drop(Table, Operator, Number) ->
    case ets:take(Table, {Operator, Number}) of
        [{_, Key}] -> ets:match_delete(Table, {Key, '_', '_', Number}), ok;
        [] -> ok
    end.

%% A hash instead of the names: less than half of the memory. 96 bits of it do not meet by chance.
key(Operator, Visitor, Id) ->
    binary:part(crypto:hash(sha256, [Operator, 0, Visitor, 0, Id]), 0, 12).
