%%% What may pass between the addresses of a host.
%%%
%%% Several tenants can share a host. Nothing passes between their visitors and operators, or between one of them and an
%%% account of no tenant: messages, IQs (vCards, versions …), presence and subscriptions get an error, and what has no
%%% answer is dropped. The host itself and the accounts in reserved_users may write to everybody. A tenant that has its host
%%% alone has no instance; between its accounts and others nothing is held back here.

-module(mod_lhc_border).

%% mod_lhc:hooks/0 lists the hooks and priorities.
-export([border_out/1, border_in/1]).

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

%%% ---------------------------------------------------------------- rules

%% Whether a stanza may pass between these two addresses, in both directions.
-spec may_pass(#jid{}, #jid{}, binary(), mod_lhc:config()) -> boolean().
may_pass(#jid{luser = User, lserver = Server}, #jid{luser = User, lserver = Server}, _Host, _Config) ->
    true;
may_pass(From, To, Host, Config) ->
    case {side(mod_lhc_tenant:party(From, Host, Config)), side(mod_lhc_tenant:party(To, Host, Config))} of
        {free, _} -> true;
        {_, free} -> true;
        {Same, Same} -> true;
        %% Two accounts without an instance.
        {A, B} -> not is_instance(A) andalso not is_instance(B)
    end.

side(server) -> free;
side(exempt) -> free;
side(elsewhere) -> free;
side({visitor, Instance}) -> Instance;
side({operator, Instance}) -> Instance;
side(_) -> none.

is_instance(Side) ->
    Side =/= none andalso Side =/= <<>>.

%% Whether a message may come to an account of a tenant with an instance: not from a service of this server without a local
%% part, for example `pubsub.{host}`. There anybody may own a node, and subscribe others to it (XEP-0060, 8.8).
-spec may_arrive(stanza(), binary(), mod_lhc:config()) -> boolean().
may_arrive(#message{from = #jid{luser = <<>>, lserver = Server}, to = To}, Host, Config) when Server =/= Host ->
    not is_instance(side(mod_lhc_tenant:party(To, Host, Config)));
may_arrive(_, _, _) ->
    true.

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
