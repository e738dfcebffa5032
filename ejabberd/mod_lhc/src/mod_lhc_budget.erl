%%% How much a session of an operator may say (mod_lhc_limits), in the session's process. What came too fast and has a key is
%%% held, and the process gets the message {mod_lhc, due} when it may be time for it.

-module(mod_lhc_budget).

%% mod_lhc:hooks/0 lists the hook and its priority.
-export([limit_sent/1]).
-export([take/3, admit/5, cancel/2, due/2, copy/2]).

-include("xmpp.hrl").

%% How long what came too fast waits at least, in milliseconds.
-define(DUE_AFTER, 1000).

%% An operator's presence goes to all visitors of their tenant, and what is directed to a visitor's session goes to the
%% service. So of presences that come too fast the latest one counts, and of the rest there is so much a second. The
%% visitors' own sessions are the service's.
limit_sent({#presence{type = Type, to = #jid{luser = User, lserver = Host, lresource = <<>>}} = Presence,
            #{jid := #jid{luser = User, lserver = Host} = Jid} = State} = Acc)
  when Type =:= available; Type =:= unavailable ->
    mod_lhc_log:hook(limit_sent, Acc, fun() ->
        case mod_lhc_report:candidate(Jid) of
            {_, Config} ->
                Held = {presence, Presence},
                Limited = case State of
                              %% An earlier one is on its way.
                              #{mod_lhc_presence := sent} -> mod_lhc_limits:hold(presence, slow, Held, limits(State));
                              _ -> mod_lhc_limits:admit(presence, slow, Held, Config, now_ms(), limits(State))
                          end,
                case admitted(Limited, State) of
                    {true, Next} -> {Presence, Next};
                    {false, Next} -> {stop, {drop, Next}}
                end;
            nobody -> Acc
        end
    end);
limit_sent({#presence{to = #jid{} = To} = Presence, State} = Acc) ->
    mod_lhc_log:hook(limit_sent, Acc, fun() -> limit_directed(Presence, To, Acc, State) end);
%% ejabberd itself answers what is for a bare JID: vCards, for example, which clients ask for by the hundred.
limit_sent({#iq{type = Type, to = #jid{lresource = Resource} = To, lang = Lang} = Iq, State} = Acc)
  when Resource =/= <<>>, Type =:= get orelse Type =:= set ->
    mod_lhc_log:hook(limit_sent, Acc, fun() ->
        case limit_directed(Iq, To, Acc, State) of
            {stop, {drop, Empty}} ->
                Error = xmpp:err_resource_constraint(<<"Too many requests at once">>, Lang),
                {stop, {drop, ejabberd_c2s:send(Empty, xmpp:make_error(Iq, Error))}};
            Next -> Next
        end
    end);
limit_sent(Acc) ->
    Acc.

limit_directed(Stanza, #jid{luser = To}, Acc, #{jid := Jid} = State) ->
    case mod_lhc_report:candidate(Jid) of
        {_, #{visitor_prefix := Prefix} = Config} ->
            case mod_lhc_names:visitor(To, Prefix) =/= no andalso take(directed, Config, State) of
                false -> Acc;
                {true, Taken} -> {Stanza, Taken};
                {false, Empty} -> {stop, {drop, Empty}}
            end;
        nobody -> Acc
    end.

%%% ---------------------------------------------------------------- for the other hooks

limits(#{mod_lhc_limits := Limits}) -> Limits;
limits(_) -> mod_lhc_limits:new().

set_limits(Limits, State) ->
    State#{mod_lhc_limits => Limits}.

now_ms() ->
    erlang:monotonic_time(millisecond).

take(none, _Config, State) ->
    {true, State};
take(Bucket, Config, State) ->
    {Taken, Limits} = mod_lhc_limits:take(Bucket, Config, now_ms(), limits(State)),
    {Taken, set_limits(Limits, State)}.

%% Reports now, or later in the place of an earlier report of this key that waits. Returns whether it was now.
admit(Key, Bucket, Report, Config, State) ->
    case admitted(mod_lhc_limits:admit(Key, Bucket, Report, Config, now_ms(), limits(State)), State) of
        {true, Next} ->
            mod_lhc_report:report(Report, Config, State),
            {true, Next};
        Later -> Later
    end.

admitted({When, Limits}, State) ->
    When =:= first andalso look_later(),
    {When =:= now, set_limits(Limits, State)}.

look_later() ->
    erlang:send_after(?DUE_AFTER, self(), {mod_lhc, due}).

%% A report that waits has become meaningless.
cancel(Key, State) ->
    set_limits(mod_lhc_limits:cancel(Key, limits(State)), State).

%% What came too fast.
due(Config, State) ->
    {Due, AreOthers, Limits} = mod_lhc_limits:due(Config, now_ms(), limits(State)),
    AreOthers andalso look_later(),
    Actor = mod_lhc_report:actor(State),
    lists:foldl(fun({presence, Presence}, Acc) ->
                        send_presence(Presence),
                        Acc#{mod_lhc_presence => sent};
                   (Report, Acc) ->
                        Actor =/= nobody andalso mod_lhc_report:report(Report, Config, State),
                        Acc
                end, set_limits(Limits, State), Due).

%% As if the client sent it now. In another process, because this one has to answer; without a report of a failure, which
%% would have the presence's text.
send_presence(Presence) ->
    Session = self(),
    spawn(fun() ->
        try ejabberd_c2s:set_presence(Session, Presence)
        catch _:_ -> ok
        end
    end).

%% The budget of a session passes to the process that resumes it.
copy(Old, State) ->
    Limits = limits(Old),
    mod_lhc_limits:is_holding(Limits) andalso look_later(),
    set_limits(Limits, State).
