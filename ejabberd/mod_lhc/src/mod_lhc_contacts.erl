%%% The contacts of a component: visitors without accounts, and the desk. Operators have them in their rosters
%%% (mod_lhc_roster), and their sessions are told what changes (mod_lhc_feed).
%%%
%%% Two ETS tables for each virtual host. The module's supervisor owns them, so they survive a crash of this process, which
%%% alone writes to the first one:
%%%   contacts  {{Instance, Jid}, Name, Hash, Presence}   Jid: bare, as text. Presence: as mod_lhc_contacts_iq packs it
%%%   feeds     {{Instance, Pid}, User}                   the sessions of operators that are told of changes

-module(mod_lhc_contacts).
-behaviour(gen_server).

-export([start_link/1, new/1, change/2, clear/1, follow/4, leave/3, repeat/4, deliver_late/4]).
-export([find/3, is_contact/3, names/2, jids/2, all/3, present/2, page/4, is_empty/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, format_status/1]).

-type instance() :: mod_lhc_names:instance().
-type jid() :: binary().
-type change() :: {put, instance(), jid(), Name :: binary(), Hash :: binary(), Presence :: binary()}
                | {gone, instance(), jid()}.
%% What a session has to be told of a contact: 1 its roster item, 2 its presence, 3 both. And the resource that the contact
%% had, if it is unavailable now: clients know a presence by the full JID.
-type news() :: [{jid(), 1..3} | {jid(), 1..3, binary()}].

-export_type([change/0, news/0]).

-define(ITEM, 1).
-define(PRESENCE, 2).
%% How long a component's connection may wait for a change, in milliseconds. The service waits longer for an answer.
-define(CHANGE_TIMEOUT, 10000).
%% When a session is told again, in milliseconds: behind what ejabberd is about to send, or when the session that resumed
%% another one has registered.
-define(AGAIN_AFTER, 500).

%%% ---------------------------------------------------------------- the table

-spec new(mod_lhc:config()) -> ok.
new(#{contacts := Contacts, feeds := Feeds}) ->
    _ = ets:new(Contacts, [named_table, public, ordered_set, {read_concurrency, true}]),
    _ = ets:new(Feeds, [named_table, public, ordered_set, {read_concurrency, true}]),
    ok.

%% All of these changes, or none. Sessions are told.
-spec change(mod_lhc:config(), [change()]) -> ok | {error, {full, instance()} | unavailable}.
change(#{contacts_proc := Name}, Changes) ->
    try gen_server:call(Name, {change, Changes}, ?CHANGE_TIMEOUT)
    catch exit:_ -> {error, unavailable}
    end.

%% Forgets all contacts, and tells sessions so.
-spec clear(mod_lhc:config()) -> ok.
clear(#{contacts_proc := Name}) ->
    gen_server:call(Name, clear, ?CHANGE_TIMEOUT).

%% This process is told of changes from now on.
-spec follow(mod_lhc:config(), instance(), binary(), pid()) -> ok.
follow(#{feeds := Feeds, contacts_proc := Name}, Instance, User, Pid) ->
    ets:insert(Feeds, {{Instance, Pid}, User}),
    gen_server:cast(Name, {monitor, Pid}).

-spec leave(mod_lhc:config(), instance(), pid()) -> ok.
leave(#{feeds := Feeds}, Instance, Pid) ->
    ets:delete(Feeds, {Instance, Pid}),
    ok.

%% Tells the sessions of an operator again, a little later, what the roster has of this contact.
-spec repeat(mod_lhc:config(), instance(), binary(), jid()) -> ok.
repeat(Config, Instance, User, Jid) ->
    deliver_late(Config, Instance, User, [{Jid, ?ITEM}]).

%% Tells an operator's sessions of this moment what an earlier session can no longer tell its client.
-spec deliver_late(mod_lhc:config(), instance(), binary(), news()) -> ok.
deliver_late(#{contacts_proc := Name}, Instance, User, News) ->
    case whereis(Name) of
        undefined -> ok;
        Pid ->
            erlang:send_after(?AGAIN_AFTER, Pid, {deliver, Instance, User, News}),
            ok
    end.

-spec find(mod_lhc:config(), instance() | none, jid()) -> {Name :: binary(), Presence :: binary()} | none.
find(#{contacts := Contacts}, Instance, Jid) ->
    case ets:lookup(Contacts, {Instance, Jid}) of
        [{_, Name, _, Presence}] -> {Name, Presence};
        [] -> none
    end.

-spec is_contact(mod_lhc:config(), instance() | none, jid()) -> boolean().
is_contact(#{contacts := Contacts}, Instance, Jid) ->
    ets:member(Contacts, {Instance, Jid}).

-spec names(mod_lhc:config(), instance()) -> [{jid(), Name :: binary()}].
names(#{contacts := Contacts}, Instance) ->
    ets:select(Contacts, [{{{Instance, '$1'}, '$2', '_', '_'}, [], [{{'$1', '$2'}}]}]).

-spec jids(mod_lhc:config(), instance() | none) -> [jid()].
jids(#{contacts := Contacts}, Instance) ->
    ets:select(Contacts, [{{{Instance, '$1'}, '_', '_', '_'}, [], ['$1']}]).

%% All contacts, as if this had changed of each.
-spec all(mod_lhc:config(), instance() | none, 1..3) -> news().
all(#{contacts := Contacts}, Instance, Flags) ->
    [{Jid, Flags, resource(Presence)} || [Jid, Presence] <- ets:match(Contacts, {{Instance, '$1'}, '_', '_', '$2'})].

%% Those who are available.
-spec present(mod_lhc:config(), instance() | none) -> [jid()].
present(#{contacts := Contacts}, Instance) ->
    ets:select(Contacts, [{{{Instance, '$1'}, '_', '_', '$2'}, [{'=/=', '$2', <<>>}], ['$1']}]).

%% The contacts behind After in order of JIDs, with their hashes, at most Max, and whether there are more.
-spec page(mod_lhc:config(), instance(), jid(), pos_integer()) -> {[{jid(), Hash :: binary()}], boolean()}.
page(#{contacts := Contacts}, Instance, After, Max) ->
    Match = [{{{Instance, '$1'}, '_', '$2', '_'}, [{'>', '$1', After}], [{{'$1', '$2'}}]}],
    case ets:select(Contacts, Match, Max + 1) of
        '$end_of_table' -> {[], false};
        {Rows, _} when length(Rows) > Max -> {lists:sublist(Rows, Max), true};
        {Rows, _} -> {Rows, false}
    end.

-spec is_empty(mod_lhc:config()) -> boolean().
is_empty(#{contacts := Contacts}) ->
    ets:info(Contacts, size) =:= 0.

%%% ---------------------------------------------------------------- the process

-spec start_link(binary()) -> {ok, pid()} | {error, term()}.
start_link(Host) ->
    #{contacts_proc := Name} = mod_lhc:config(Host),
    gen_server:start_link({local, Name}, ?MODULE, Host, []).

init(Host) ->
    #{contacts := Contacts, feeds := Feeds} = mod_lhc:config(Host),
    Counts = ets:foldl(fun({{Instance, _}, _, _, _}, Acc) -> count(Instance, 1, Acc) end, #{}, Contacts),
    Pids = lists:usort([Pid || [Pid] <- ets:match(Feeds, {{'_', '$1'}, '_'})]),
    {ok, #{host => Host, counts => Counts, monitors => maps:from_list([{Pid, monitor(process, Pid)} || Pid <- Pids])}}.

handle_call(Call, _From, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> answer(Call, State) end).

answer({change, Changes}, #{host := Host, counts := Counts} = State) ->
    #{contacts := Table, max_contacts := Max} = Config = mod_lhc:config(Host),
    {News, Next} = lists:mapfoldl(fun(Change, Acc) -> news(Change, Table, Acc) end, Counts, Changes),
    case [Instance || {Instance, Count} <- maps:to_list(Next), Count > Max, Count > maps:get(Instance, Counts, 0)] of
        [Full | _] -> {reply, {error, {full, Full}}, State};
        [] ->
            ets:insert(Table, [{{Instance, Jid}, Name, Hash, Presence}
                               || {put, Instance, Jid, Name, Hash, Presence} <- Changes]),
            [ets:delete(Table, {Instance, Jid}) || {gone, Instance, Jid} <- Changes],
            tell_all(lists:append(News), Config),
            {reply, ok, State#{counts := Next}}
    end;
answer(clear, #{host := Host} = State) ->
    #{contacts := Table} = Config = mod_lhc:config(Host),
    News = lists:append([left(Presence, told(Instance, Jid, true, Presence =/= <<>>))
                         || [Instance, Jid, Presence] <- ets:match(Table, {{'$1', '$2'}, '_', '_', '$3'})]),
    ets:delete_all_objects(Table),
    tell_all(News, Config),
    {reply, ok, State#{counts := #{}}}.

handle_cast({monitor, Pid}, #{monitors := Monitors} = State) ->
    case Monitors of
        #{Pid := _} -> {noreply, State};
        _ -> {noreply, State#{monitors := Monitors#{Pid => monitor(process, Pid)}}}
    end;
handle_cast(_, State) ->
    {noreply, State}.

handle_info(Message, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> info(Message, State) end).

info({'DOWN', _, process, Pid, _}, #{host := Host, monitors := Monitors} = State) ->
    #{feeds := Feeds} = mod_lhc:config(Host),
    ets:match_delete(Feeds, {{'_', Pid}, '_'}),
    {noreply, State#{monitors := maps:remove(Pid, Monitors)}};
info({deliver, Instance, User, News}, #{host := Host} = State) ->
    #{feeds := Feeds} = mod_lhc:config(Host),
    [tell(Pid, Instance, News) || Pid <- ets:select(Feeds, [{{{Instance, '$1'}, User}, [], ['$1']}])],
    {noreply, State};
info(_, State) ->
    {noreply, State}.

format_status(Status) ->
    mod_lhc_log:status(Status).

-if(?OTP_RELEASE < 25).
-export([format_status/2]).
format_status(_, _) ->
    mod_lhc_log:status().
-endif.

%% What sessions have to be told of a change, and how many contacts there are then.
news({put, Instance, Jid, Name, _, Presence}, Table, Counts) ->
    case ets:lookup(Table, {Instance, Jid}) of
        [] -> {told(Instance, Jid, true, Presence =/= <<>>), count(Instance, 1, Counts)};
        [{_, OldName, _, OldPresence}] when Presence =:= <<>>, OldPresence =/= <<>> ->
            {left(OldPresence, told(Instance, Jid, OldName =/= Name, true)), Counts};
        [{_, OldName, _, OldPresence}] -> {told(Instance, Jid, OldName =/= Name, OldPresence =/= Presence), Counts}
    end;
news({gone, Instance, Jid}, Table, Counts) ->
    case ets:lookup(Table, {Instance, Jid}) of
        [] -> {[], Counts};
        [{_, _, _, Presence}] ->
            {left(Presence, told(Instance, Jid, true, Presence =/= <<>>)), count(Instance, -1, Counts)}
    end.

left(Presence, Told) ->
    Resource = resource(Presence),
    [{Instance, {Jid, Flags, Resource}} || {Instance, {Jid, Flags}} <- Told].

resource(Presence) ->
    {Resource, _} = mod_lhc_contacts_iq:unpack(Presence),
    Resource.

told(Instance, Jid, Item, Presence) ->
    case flag(Item, ?ITEM) bor flag(Presence, ?PRESENCE) of
        0 -> [];
        Flags -> [{Instance, {Jid, Flags}}]
    end.

flag(true, Flag) -> Flag;
flag(false, _) -> 0.

count(Instance, Add, Counts) ->
    case maps:get(Instance, Counts, 0) + Add of
        0 -> maps:remove(Instance, Counts);
        Count -> Counts#{Instance => Count}
    end.

tell_all(News, #{feeds := Feeds}) ->
    ByInstance = lists:foldr(fun({Instance, One}, Acc) ->
                                     maps:update_with(Instance, fun(Others) -> [One | Others] end, [One], Acc)
                             end, #{}, News),
    maps:foreach(fun(Instance, Some) ->
                         [tell(Pid, Instance, Some)
                          || Pid <- ets:select(Feeds, [{{{Instance, '$1'}, '_'}, [], ['$1']}])]
                 end, ByInstance).

tell(Pid, Instance, News) ->
    Pid ! {mod_lhc, {contacts, Instance, News}}.
