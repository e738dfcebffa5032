%%% Remembers where visitors' messages to operators are: with which sessions, in offline storage, or delivered. So a
%%% repeat (the same operator, visitor and id) is recognised. In memory, the last 1,000 messages of each operator.
%%%
%%% One public ETS table for each virtual host; the module's supervisor owns it. Rows:
%%%   {Key, State, Takers, Number}    Key: 12 bytes of a hash. State: open | offline | {delivered, By}.
%%%                                   Takers: the sessions that the message was routed to, as a process, or as
%%%                                   {room, Pid} if the session has got it by the visitor's room
%%%   {{Operator, Number}, Key}       the order, for removing the oldest
%%%   {{last, Operator}, Number}

-module(mod_lhc_seen).

-export([new/1, known/4, status/4, in_session/5, add_session/5, remove_session/5, move_session/6, mark_offline/4,
         mark_delivered/5, forget_operator/2]).

-type table() :: atom().
-type by() :: receipt | ping.
-type taker() :: pid() | {room, pid()}.
%% read_in_room: delivered by the room, and the private copy has not come yet.
-type status() :: unknown | {routed, [pid()]} | offline | {delivered, by()} | {read_in_room, by()}.

-export_type([by/0]).

%% Messages of one operator.
-define(MAX_MESSAGES, 1000).
%% Copies of one message: ten sessions of an operator may have it by the room and as a private one.
-define(MAX_TAKERS, 20).

-spec new(table()) -> table().
new(Table) ->
    ets:new(Table, [named_table, public, set, {read_concurrency, true}, {write_concurrency, true}]).

%% True if the message was routed to the operator, stored for them or delivered, and is still remembered.
-spec known(table(), binary(), binary(), binary()) -> boolean().
known(Table, Operator, Visitor, Id) ->
    ets:member(Table, key(Operator, Visitor, Id)).

%% Where the private copy of the message is. Sessions that have ended do not count, because they may have lost it.
-spec status(table(), binary(), binary(), binary()) -> status().
status(Table, Operator, Visitor, Id) ->
    case ets:lookup(Table, key(Operator, Visitor, Id)) of
        [] -> unknown;
        [{_, open, Pids, _}] ->
            case [Pid || Pid <- Pids, is_pid(Pid), alive(Pid)] of
                [] -> unknown;
                Alive -> {routed, Alive}
            end;
        [{_, {delivered, By} = State, [_ | _] = Takers, _}] ->
            case lists:any(fun is_pid/1, Takers) of
                true -> State;
                false -> {read_in_room, By}
            end;
        [{_, State, _, _}] -> State
    end.

%% In a cluster each node has its own table, with its own sessions only.
alive(Pid) ->
    node(Pid) =:= node() andalso is_process_alive(Pid).

%% True if the message was routed to this session.
-spec in_session(table(), binary(), binary(), binary(), taker()) -> boolean().
in_session(Table, Operator, Visitor, Id, Taker) ->
    case ets:lookup(Table, key(Operator, Visitor, Id)) of
        [{_, _, Takers, _}] -> lists:member(Taker, Takers);
        [] -> false
    end.

%% The message was routed to this session.
-spec add_session(table(), binary(), binary(), binary(), taker()) -> ok.
add_session(Table, Operator, Visitor, Id, Taker) ->
    update(Table, Operator, Visitor, Id,
           fun(offline, Takers) when is_pid(Taker) -> {open, add(Taker, Takers)};
              (State, Takers) -> {State, add(Taker, Takers)}
           end).

%% This session has ended and may have lost the message.
-spec remove_session(table(), binary(), binary(), binary(), pid()) -> ok.
remove_session(Table, Operator, Visitor, Id, Pid) ->
    update(Table, Operator, Visitor, Id, fun(State, Takers) -> {State, Takers -- [Pid, {room, Pid}]} end).

%% Process To has resumed the session of process From.
-spec move_session(table(), binary(), binary(), binary(), pid(), pid()) -> ok.
move_session(Table, Operator, Visitor, Id, From, To) ->
    update(Table, Operator, Visitor, Id,
           fun(State, Takers) ->
                   case [moved(Taker, From, To) || Taker <- Takers] of
                       Takers -> {State, add(To, Takers)};
                       Moved -> {State, Moved}
                   end
           end).

moved(From, From, To) -> To;
moved({room, From}, From, To) -> {room, To};
moved(Taker, _From, _To) -> Taker.

%% The message is in offline storage.
-spec mark_offline(table(), binary(), binary(), binary()) -> ok.
mark_offline(Table, Operator, Visitor, Id) ->
    update(Table, Operator, Visitor, Id,
           fun(open, Pids) -> {offline, Pids};
              (State, Pids) -> {State, Pids}
           end).

%% The message is delivered. first: this is new; again: it was known. Of several sessions that call at the same time only
%% one gets first.
-spec mark_delivered(table(), binary(), binary(), binary(), by()) -> first | again.
mark_delivered(Table, Operator, Visitor, Id, By) ->
    case change(Table, Operator, Visitor, Id,
                fun({delivered, _} = Known, Pids) -> {Known, Pids};
                   (_, Pids) -> {{delivered, By}, Pids}
                end) of
        {delivered, _} -> again;
        _ -> first
    end.

%% The operator's account was removed.
-spec forget_operator(table(), binary()) -> ok.
forget_operator(Table, Operator) ->
    case ets:lookup(Table, {last, Operator}) of
        [{_, Last}] ->
            [remove(Table, Operator, N) || N <- lists:seq(max(1, Last - ?MAX_MESSAGES), Last)],
            ets:delete(Table, {last, Operator}),
            ok;
        [] -> ok
    end.

update(Table, Operator, Visitor, Id, Change) ->
    _ = change(Table, Operator, Visitor, Id, Change),
    ok.

%% Applies a change and returns the state before it. Several sessions of an operator may do so at the same time, each in
%% its own process. If another one was faster, the change is applied to the new row.
change(Table, Operator, Visitor, Id, Change) ->
    Key = key(Operator, Visitor, Id),
    case ets:lookup(Table, Key) of
        [{_, State, Pids, Number} = Row] ->
            case Change(State, Pids) of
                {State, Pids} ->
                    State;
                {NewState, NewPids} ->
                    case ets:select_replace(Table, [{Row, [], [{const, {Key, NewState, NewPids, Number}}]}]) of
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
                    remove(Table, Operator, Number - ?MAX_MESSAGES),
                    open;
                false ->
                    remove(Table, Operator, Number - ?MAX_MESSAGES),
                    change(Table, Operator, Visitor, Id, Change)
            end
    end.

add(Taker, Takers) ->
    lists:sublist([Taker | lists:delete(Taker, Takers)], ?MAX_TAKERS).

remove(Table, Operator, Number) ->
    case ets:take(Table, {Operator, Number}) of
        [{_, Key}] -> ets:match_delete(Table, {Key, '_', '_', Number}), ok;
        [] -> ok
    end.

%% A hash takes less than half of the memory of the three names. 96 bits do not collide by chance. A visitor has the same
%% local part at the host and at the component, and sends a message again from the other one after a change between them.
key(Operator, Visitor, Id) ->
    [Local | _] = binary:split(Visitor, <<"@">>),
    binary:part(crypto:hash(sha256, [Operator, 0, Local, 0, Id]), 0, 12).
