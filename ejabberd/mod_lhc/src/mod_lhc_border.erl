%%% What may pass between addresses.
%%%
%%% A tenant is a host of this server and an instance on it. Between its visitors and operators everything passes. Nothing
%%% passes between one of them and anybody else: another tenant of the same host or of another host, an account of no tenant,
%%% a component, another server. Messages, IQs (vCards, versions …), presence and subscriptions get an error, and what has no
%%% answer is dropped. The host itself, its accounts in reserved_users, and trusted_hosts may write to everybody of the host.
%%%
%%% What accounts send and receive is seen in their sessions. A component's visitors have none, so what is sent to them, and
%%% what they send to anybody but an account of a host with this module, is seen where ejabberd routes it. So is what rooms of
%%% visitors get and send. Such a room belongs to the tenant. Its visitor may write into it, and gets no word of it.

-module(mod_lhc_border).

%% mod_lhc:hooks/0 lists the hooks and priorities.
-export([border_out/1, border_in/1, border_routed/1]).

-include("xmpp.hrl").

%% What an account sends, before anything else sees it. Without an answer to the question nothing passes.
border_out({Stanza, #{lserver := Host, jid := From, lang := Lang} = State} = Acc) ->
    mod_lhc_log:hook(border_out, {stop, {drop, State}}, fun() ->
        case passes(From, xmpp:get_to(Stanza), Host) of
            true -> Acc;
            false ->
                case answer(Stanza, Lang) of
                    none -> {stop, {drop, State}};
                    Error -> {stop, {drop, ejabberd_c2s:send(State, Error)}}
                end
        end
    end);
border_out(Acc) ->
    Acc.

%% What an account receives: from a component, and what modules of ejabberd send in the name of an account.
border_in(Stanza) ->
    mod_lhc_log:hook(border_in, {stop, drop}, fun() ->
        #jid{lserver = Host} = To = xmpp:get_to(Stanza),
        case xmpp:get_meta(Stanza, mod_lhc_border, false)
            orelse passes(xmpp:get_from(Stanza), To, Host) andalso arrives(Stanza, Host) of
            true -> Stanza;
            false ->
                case answer(Stanza, xmpp:get_lang(Stanza)) of
                    none -> ok;
                    %% The error has to get back over the border.
                    Error -> ejabberd_router:route(xmpp:put_meta(Error, mod_lhc_border, true))
                end,
                {stop, drop}
        end
    end).

%% Everything that ejabberd routes: what a component's visitor or the room of a visitor gets, and what they send.
border_routed(drop) ->
    drop;
border_routed(Stanza) ->
    From = xmpp:get_from(Stanza),
    To = xmpp:get_to(Stanza),
    case {component_host(From), component_host(To), mod_lhc_room:visitor(From), mod_lhc_room:visitor(To)} of
        {none, none, none, none} -> Stanza;
        {A, B, FromRoom, ToRoom} ->
            mod_lhc_log:hook(border_routed, {stop, drop}, fun() ->
                Verdict = xmpp:get_meta(Stanza, mod_lhc_border, false)
                    orelse lists:all(fun(none) -> true; (Host) -> passes(From, To, Host) end, [A, B])
                    andalso room_passes(Stanza, FromRoom, ToRoom),
                case {Verdict, Verdict =/= true andalso answer(Stanza, xmpp:get_lang(Stanza))} of
                    {true, _} -> Stanza;
                    {_, none} -> {stop, drop};
                    {false, Error} -> answered(Error);
                    {whisper, _} -> answered(whispered(Stanza))
                end
            end)
    end.

answered(Error) ->
    ejabberd_router:route(xmpp:put_meta(Error, mod_lhc_border, true)),
    {stop, drop}.

%% The host whose visitors' component has this address, if it is that of a visitor.
component_host(#jid{luser = User, lserver = Server}) when User =/= <<>> ->
    case mod_lhc:home(Server) of
        Server -> none;
        Host -> Host
    end;
component_host(_) ->
    none.

passes(#jid{} = From, #jid{} = To, Host) ->
    case mod_lhc:config(Host) of
        undefined -> true;
        Config -> may_pass(From, To, Host, Config)
    end;
passes(_, _, _) ->
    true.

arrives(Stanza, Host) ->
    case mod_lhc:config(Host) of
        undefined -> true;
        Config -> may_arrive(Stanza, Host, Config)
    end.

%%% ---------------------------------------------------------------- rooms

%% Whether a stanza may come from or to the room of a visitor. A visitor, by any of their addresses, may say something in
%% their own room, and hears of it only what answers that. whisper: somebody in the room writes to the visitor alone.
-spec room_passes(stanza(), Room, Room) -> boolean() | whisper
              when Room :: {binary(), mod_lhc:config(), binary(), mod_lhc_names:instance()} | none.
room_passes(_, none, none) ->
    true;
room_passes(Stanza, none, {Host, Config, Visitor, _}) ->
    #jid{luser = User} = From = xmpp:get_from(Stanza),
    case is_visitor(From, Host, Config) of
        true -> User =:= Visitor andalso not is_record(Stanza, presence);
        false -> passes(From, xmpp:get_to(Stanza), Host)
    end;
room_passes(Stanza, {Host, Config, Visitor, _}, none) ->
    #jid{luser = User} = To = xmpp:get_to(Stanza),
    case is_visitor(To, Host, Config) of
        true when User =:= Visitor -> is_answer(Stanza) orelse whisper;
        true -> false;
        false -> passes(xmpp:get_from(Stanza), To, Host)
    end;
room_passes(_, _, _) ->
    false.

is_visitor(#jid{luser = User, lserver = Server}, Host, #{visitor_host := VisitorHost, visitor_prefix := Prefix})
  when Server =:= Host; Server =:= VisitorHost ->
    mod_lhc_names:visitor(User, Prefix) =/= no;
is_visitor(_, _, _) ->
    false.

is_answer(#iq{}) -> true;
is_answer(Stanza) -> xmpp:get_type(Stanza) =:= error.

%% Tells who whispers that nobody has read it.
whispered(Stanza) ->
    Text = <<"A private message never reaches the visitor: write to all in the room">>,
    xmpp:make_error(Stanza, xmpp:err_policy_violation(Text, xmpp:get_lang(Stanza))).

%%% ---------------------------------------------------------------- rules

%% Whose an address is. free: may write to everybody of the host. service: an address of this server without a local part,
%% for example `pubsub.{host}`. none: an account of a host that is no tenant's. outside: everybody else.
-type side() :: free | service | {binary(), exempt | none | mod_lhc_names:instance()} | outside.

%% Whether a stanza may pass between these two addresses, in both directions.
-spec may_pass(#jid{}, #jid{}, binary(), mod_lhc:config()) -> boolean().
may_pass(#jid{luser = User, lserver = Server}, #jid{luser = User, lserver = Server}, _Host, _Config) ->
    true;
may_pass(From, To, Host, Config) ->
    case {side(From, Host, Config), side(To, Host, Config)} of
        {Same, Same} -> true;
        {{Home, exempt}, {Home, _}} -> true;
        {{Home, _}, {Home, exempt}} -> true;
        {A, B} -> is_open(A) orelse is_open(B) orelse not is_tenant(A) andalso not is_tenant(B)
    end.

-spec side(#jid{}, binary(), mod_lhc:config()) -> side().
side(#jid{lserver = Server} = Jid, Host, #{trusted_hosts := Trusted} = Config) ->
    case {mod_lhc_room:visitor(Jid), lists:member(Server, Trusted)} of
        {{Home, _, _, Instance}, _} -> {Home, Instance};
        {none, true} -> free;
        {none, false} -> side_at(home(Server, Host, Config), Jid, Host)
    end.

side_at({Home, Config}, Jid, Host) ->
    case mod_lhc_tenant:party(Jid, Home, Config) of
        server when Home =:= Host -> free;
        exempt -> {Home, exempt};
        {visitor, Instance} -> {Home, Instance};
        {operator, Instance} -> {Home, Instance};
        Party when Party =:= stranger; Party =:= unfit -> {Home, none};
        _ -> foreign(Jid)
    end;
side_at(none, Jid, _Host) ->
    foreign(Jid).

foreign(#jid{luser = <<>>, lserver = Server}) ->
    case ejabberd_router:is_my_route(Server) of
        true -> service;
        false -> outside
    end;
foreign(_) ->
    outside.

%% The host whose accounts or visitors have addresses at this server, and its configuration.
home(Server, Host, #{visitor_host := VisitorHost} = Config) when Server =:= Host; Server =:= VisitorHost ->
    {Host, Config};
home(Server, _Host, _Config) ->
    Home = mod_lhc:home(Server),
    case mod_lhc:config(Home) of
        undefined -> none;
        Config -> {Home, Config}
    end.

is_open(Side) ->
    Side =:= free orelse Side =:= service.

is_tenant({_, Instance}) ->
    is_binary(Instance);
is_tenant(_) ->
    false.

%% Whether a stanza may come to an account of a tenant: from a service, IQs and errors only. In `pubsub.{host}` anybody may
%% own a node, and subscribe others to it (XEP-0060, 8.8).
-spec may_arrive(stanza(), binary(), mod_lhc:config()) -> boolean().
may_arrive(#iq{}, _Host, _Config) ->
    true;
may_arrive(Stanza, Host, Config) ->
    xmpp:get_type(Stanza) =:= error
        orelse side(xmpp:get_from(Stanza), Host, Config) =/= service
        orelse not is_tenant(side(xmpp:get_to(Stanza), Host, Config)).

%% The error that answers this stanza; none if it has no answer. It says the same as if the receiver did not exist. What
%% says nothing to a person (a receipt, a chat state) is not worth an error.
-spec answer(stanza(), binary()) -> stanza() | none.
answer(#iq{type = Type} = Iq, Lang) when Type =:= get; Type =:= set ->
    not_found(Iq, Lang);
answer(#message{type = Type, body = [_ | _]} = Message, Lang) when Type =/= error ->
    not_found(Message, Lang);
answer(#presence{type = Type} = Presence, Lang) when Type =:= available; Type =:= subscribe; Type =:= subscribed ->
    not_found(Presence, Lang);
answer(_, _) ->
    none.

not_found(Stanza, Lang) ->
    xmpp:make_error(Stanza, xmpp:err_item_not_found(<<"There is nobody with this address">>, Lang)).
