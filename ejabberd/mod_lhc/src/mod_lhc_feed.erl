%%% What the session of an operator is told of a component's contacts (mod_lhc_contacts), in the session's process.
%%%
%%% Only names of contacts wait to be told. What is told is read from the table at that moment, so a contact that changes
%%% often is told once, as it is then. A client that has asked for its roster gets roster pushes; a client that is available
%%% gets presences. Some contacts are told at a time, and none while many stanzas have no acknowledgement.

-module(mod_lhc_feed).

-export([begin_again/1, follow/3, resume/3, leave/2, asked/1, available/2, probe/3, told/4, due/2]).
%% For tests.
-export([merge/3, take/2]).

-include("xmpp.hrl").
-include("mod_roster.hrl").

-type state() :: ejabberd_c2s:state().
-type instance() :: mod_lhc_names:instance() | none.
%% Flags as in mod_lhc_contacts:news(). left: the resources of those who are unavailable now and wait to be told.
%% is_due: a message that calls due/2 is on its way.
-type feed() :: #{instance := instance(), asked := boolean(), pending := #{binary() => 1..3},
                  left := #{binary() => binary()}, is_due := boolean()}.

-define(ITEM, 1).
-define(PRESENCE, 2).
%% Contacts that are told at a time. Other stanzas of the client and to it come in between.
-define(AT_ONCE, 50).
%% How long to wait for acknowledgements, in milliseconds.
-define(WAIT_FOR_ACK, 100).
%% A client for which so many contacts wait, beyond those that there can be, has not acknowledged anything for minutes
%% while others came and went. It is disconnected.
-define(MAX_PENDING, 20000).

%%% ---------------------------------------------------------------- whose contacts

%% The session was there before the module has started. Whether it has asked for its roster is not known. What was to call
%% due/2 is lost, and so is what has changed until follow/3 is called.
-spec begin_again(state()) -> state().
begin_again(#{mod_lhc_feed := Feed} = State) -> State#{mod_lhc_feed => Feed#{instance := none, is_due := false}};
begin_again(State) -> State#{mod_lhc_feed => (new())#{asked := true}}.

%% The session's account is an operator of this instance now, or of none.
-spec follow(instance(), mod_lhc:config(), state()) -> state().
follow(Instance, Config, State) ->
    case feed(State) of
        #{instance := Instance} = Feed ->
            %% The table is a new one if the module has started again.
            subscribe(Instance, Config, State),
            State#{mod_lhc_feed => Feed};
        #{instance := Before} = Feed ->
            Before =:= none orelse mod_lhc_contacts:leave(Config, Before, self()),
            subscribe(Instance, Config, State),
            News = case wanted(Feed, State) of
                       0 -> [];
                       Flags -> mod_lhc_contacts:all(Config, Before, Flags) ++ mod_lhc_contacts:all(Config, Instance, Flags)
                   end,
            add(News, Feed#{instance := Instance}, State)
    end.

wanted(#{asked := Asked}, State) ->
    case Asked of true -> ?ITEM; false -> 0 end bor case State of #{pres_last := _} -> ?PRESENCE; _ -> 0 end.

subscribe(none, _Config, _State) -> ok;
subscribe(Instance, Config, #{jid := #jid{luser = User}}) -> mod_lhc_contacts:follow(Config, Instance, User, self()).

%% This process resumes the session of another one, whose value this is.
-spec resume(state(), mod_lhc:config(), state()) -> state().
resume(#{mod_lhc_feed := #{instance := Instance} = Feed}, Config, State) ->
    subscribe(Instance, Config, State),
    add([], Feed#{is_due := false}, State);
resume(_Old, _Config, State) ->
    State.

%% Another process has resumed the session of this one. What this one was told since then goes to the operator's sessions
%% of a moment later.
-spec leave(mod_lhc:config(), state()) -> ok.
leave(Config, #{mgmt_state := resumed, mod_lhc_feed := #{instance := Instance}, jid := #jid{luser = User}})
  when Instance =/= none ->
    mod_lhc_contacts:leave(Config, Instance, self()),
    case untold(Instance) of
        [] -> ok;
        News -> mod_lhc_contacts:deliver_late(Config, Instance, User, News)
    end;
leave(_Config, _State) ->
    ok.

untold(Instance) ->
    receive {mod_lhc, {contacts, Instance, News}} -> News ++ untold(Instance)
    %% mod_lhc_contacts may be about to tell this process, which it has just found.
    after 10 -> []
    end.

%%% ---------------------------------------------------------------- what is to be told

%% The client asks for its roster.
-spec asked(state()) -> state().
asked(State) ->
    State#{mod_lhc_feed => (feed(State))#{asked := true}}.

%% The client is about to become available: it is told all presences, behind what it was sent before.
-spec available(mod_lhc:config(), state()) -> state().
available(Config, State) ->
    #{instance := Instance} = Feed = feed(State),
    add([{Jid, ?PRESENCE} || Jid <- mod_lhc_contacts:present(Config, Instance)], Feed, State).

%% The client asks for the presence of a contact. False if this is none of its contacts.
-spec probe(binary(), mod_lhc:config(), state()) -> {true, state()} | false.
probe(Jid, Config, State) ->
    #{instance := Instance} = Feed = feed(State),
    case mod_lhc_contacts:is_contact(Config, Instance, Jid) of
        true -> {true, add([{Jid, ?PRESENCE}], Feed, State)};
        false -> false
    end.

%% Contacts of this instance have changed. The client is told at once, unless others wait already.
-spec told(instance(), mod_lhc_contacts:news(), mod_lhc:config(), state()) -> state().
told(Instance, News, Config, State) ->
    case feed(State) of
        #{instance := Instance} = Feed ->
            Wanted = wanted(Feed, State),
            case [setelement(2, One, element(2, One) band Wanted) || One <- News, element(2, One) band Wanted =/= 0] of
                [] -> State;
                Some when map_get(is_due, Feed) -> State#{mod_lhc_feed => wait(Some, Feed)};
                Some -> due(Config, State#{mod_lhc_feed => wait(Some, Feed)})
            end;
        _ -> State
    end.

%% These wait to be told, and due/2 is called.
add(News, Feed, State) ->
    #{pending := Pending, is_due := IsDue} = Next = wait(News, Feed),
    case IsDue orelse map_size(Pending) =:= 0 of
        true -> State#{mod_lhc_feed => Next};
        false ->
            self() ! {mod_lhc, contacts_due},
            State#{mod_lhc_feed => Next#{is_due := true}}
    end.

wait(News, #{pending := Pending, left := Left} = Feed) ->
    Next = lists:foldl(fun(One, Acc) ->
                               Flags = element(2, One),
                               maps:update_with(element(1, One), fun(Before) -> Before bor Flags end, Flags, Acc)
                       end, Pending, News),
    Resources = maps:from_list([{Jid, Resource} || {Jid, _, Resource} <- News]),
    Feed#{pending := Next, left := maps:merge(Left, Resources)}.

new() ->
    #{instance => none, asked => false, pending => #{}, left => #{}, is_due => false}.

-spec feed(state()) -> feed().
feed(#{mod_lhc_feed := Feed}) -> Feed;
feed(_) -> new().

%%% ---------------------------------------------------------------- telling

%% Tells some of the contacts that wait.
-spec due(mod_lhc:config(), state()) -> state().
due(#{max_contacts := Most} = Config, #{mod_lhc_feed := #{pending := Pending, left := Left} = Feed} = State) ->
    case room(State) of
        _ when map_size(Pending) > ?MAX_PENDING + Most ->
            ejabberd_c2s:send(State#{mod_lhc_feed => new()},
                              xmpp:serr_policy_violation(<<"Too many changes of contacts are unread">>, <<>>));
        %% The process that resumes the session goes on.
        detached -> State#{mod_lhc_feed => Feed#{is_due := false}};
        false ->
            erlang:send_after(?WAIT_FOR_ACK, self(), {mod_lhc, contacts_due}),
            State#{mod_lhc_feed => Feed#{is_due := true}};
        true ->
            {Now, Later} = take(?AT_ONCE, Pending),
            Still = maps:without([Jid || {Jid, _} <- Now], Left),
            add([], Feed#{pending := Later, left := Still, is_due := false}, tell(Now, Config, State))
    end;
due(_Config, State) ->
    State.

%% Whether the client may get some more stanzas. ejabberd ends a session with too many unacknowledged ones (XEP-0198).
room(#{mgmt_state := pending}) ->
    detached;
room(#{mgmt_state := active, mgmt_queue := Queue, mgmt_max_queue := Max}) when is_integer(Max) ->
    p1_queue:len(Queue) < Max div 2;
room(_) ->
    true.

%% Some of the contacts, and the others.
-spec take(pos_integer(), #{binary() => 1..3}) -> {[{binary(), 1..3}], #{binary() => 1..3}}.
take(Count, Pending) when map_size(Pending) =< Count ->
    {maps:to_list(Pending), #{}};
take(Count, Pending) ->
    Some = some(Count, maps:next(maps:iterator(Pending))),
    {Some, lists:foldl(fun({Jid, _}, Acc) -> maps:remove(Jid, Acc) end, Pending, Some)}.

some(0, _) -> [];
some(_, none) -> [];
some(Count, {Jid, Flags, Iterator}) -> [{Jid, Flags} | some(Count - 1, maps:next(Iterator))].

tell(Contacts, Config, #{lserver := Host, mod_lhc_feed := #{instance := Instance, asked := Asked}} = State) ->
    Wanted = [{Jid, Flags, mod_lhc_contacts:find(Config, Instance, Jid)} || {Jid, Flags} <- Contacts],
    Items = case Asked andalso lists:any(fun({_, Flags, _}) -> Flags band ?ITEM =/= 0 end, Wanted) of
                true -> {mod_lhc_roster:stored(Config, State), mod_lhc_roster:label(Host, Instance), version(Host)};
                false -> none
            end,
    lists:foldl(fun(One, Acc) -> tell_one(One, Items, Config, Acc) end, State, Wanted).

%% A new contact is in the roster before its presence comes, and one who goes is unavailable before they leave it.
tell_one({Jid, Flags, none}, Items, Config, State) ->
    push(Jid, Flags, none, Items, Config, send_presence(Jid, Flags, <<>>, State));
tell_one({Jid, Flags, {Name, Presence}}, Items, Config, State) ->
    send_presence(Jid, Flags, Presence, push(Jid, Flags, Name, Items, Config, State)).

send_presence(Jid, Flags, Packed, #{lserver := Host, jid := To, pres_last := _} = State) when Flags band ?PRESENCE =/= 0 ->
    {Resource, Presence} = case mod_lhc_contacts_iq:unpack(Packed) of
                               {<<>>, #presence{type = unavailable} = Unavailable} ->
                                   #{left := Left} = feed(State),
                                   {maps:get(Jid, Left, <<>>), Unavailable};
                               Available -> Available
                           end,
    Stanza = Presence#presence{from = jid:replace_resource(mod_lhc_roster:jid(Jid), Resource), to = To},
    case ejabberd_hooks:run_fold(privacy_check_packet, Host, allow, [State, Stanza, in]) of
        deny -> State;
        allow -> ejabberd_c2s:send(State, Stanza)
    end;
send_presence(_, _, _, State) ->
    State.

push(_, Flags, _, Items, _, State) when Items =:= none; Flags band ?ITEM =:= 0 ->
    State;
push(Jid, _, Name, {Stored, Label, Version}, _Config, #{jid := To} = State) ->
    Item = merge(mod_lhc_roster:jid(Jid), maps:get(Jid, Stored, none), {Name, Label}),
    ejabberd_c2s:send(State, #iq{type = set, id = <<"push", (p1_rand:get_string())/binary>>,
                                 from = jid:remove_resource(To), to = To,
                                 sub_els = [#roster_query{ver = Version, items = [Item]}]}).

%% The roster item of a contact, or of one who is gone (the name is none), with what the operator has stored of it.
-spec merge(jid:jid(), roster_item() | none, {binary() | none, binary()}) -> roster_item().
merge(Jid, none, {none, _}) ->
    #roster_item{jid = Jid, subscription = remove};
merge(_, Stored, {none, _}) ->
    Stored;
merge(Jid, none, {Name, Label}) ->
    #roster_item{jid = Jid, name = Name, subscription = both, groups = [Label]};
merge(_, #roster_item{name = Own, groups = Groups} = Stored, {Name, Label}) ->
    Stored#roster_item{name = case Own of <<>> -> Name; _ -> Own end, subscription = both, ask = undefined,
                       groups = case lists:member(Label, Groups) of true -> Groups; false -> Groups ++ [Label] end}.

%% mod_roster knows a version by a hash of the whole roster, which would cost 20 ms for each push. A version that it does
%% not know makes it send the roster to a client that comes back with it. No version at all would not do: a client could
%% come back with the version before the push, when the roster is as it was then, and would keep what the push has changed.
version(Host) ->
    case mod_roster_opt:versioning(Host) of
        true -> <<"lhc-", (integer_to_binary(erlang:system_time(microsecond)))/binary>>;
        false -> undefined
    end.
