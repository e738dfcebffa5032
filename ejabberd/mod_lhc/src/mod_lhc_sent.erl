%%% What an operator sends to a visitor, in the operator's session process.
%%%
%%% ejabberd swallows an exception in a hook, goes on, and then acknowledges a message that was not recorded. So the hooks
%%% catch exceptions themselves, and the message is answered with an error.

-module(mod_lhc_sent).

%% mod_lhc:hooks/0 lists the hooks and priorities.
-export([record_sent/1, drop_recorded/1]).
-export([is_recorded/1]).

-include("xmpp.hrl").

%% How long an operator's message may wait for the disk, in milliseconds. Far below 15 s, when a client's attempt to
%% resume fails.
-define(WRITE_TIMEOUT, 5000).

%% Records a message of an operator to a visitor. It is on disk when this returns; stream management acknowledges it
%% afterwards. Only this session waits.
record_sent({#message{to = #jid{} = To} = Message, #{lserver := Host, jid := From} = State} = Acc) ->
    try
        case mod_lhc:config(Host) of
            undefined -> Acc;
            Config ->
                case mod_lhc_tenant:party(To, Host, Config) of
                    {visitor, Instance} ->
                        to_visitor(mod_lhc_tenant:party(From, Host, Config), Instance, Message, Config, Acc);
                    unfit ->
                        to_visitor(mod_lhc_tenant:party(From, Host, Config), unfit, Message, Config, Acc);
                    elsewhere -> to_elsewhere(mod_lhc_room:visitor(To), Message, Acc);
                    _ -> Acc
                end
        end
    catch Class:Reason:Stack ->
            mod_lhc_log:crash(record_sent, Class, Reason, Stack),
            case Message#message.body of
                [] -> Acc;
                _ -> refuse(Message, internal, State)
            end
    end;
record_sent(Acc) ->
    Acc.

%% A bounce goes to the visitor's session, and is not reported.
to_visitor({operator, Instance}, Instance, #message{type = Type}, _Config, Acc) when Type =:= error; Type =:= groupchat ->
    Acc;
to_visitor({operator, Instance}, Instance, Message, Config, {_, State}) ->
    mod_lhc_report:begin_reports(Instance, Config, State),
    case is_blocked(Message, State) of
        %% ejabberd refuses it after these hooks, and the operator's client shows that it was not sent.
        true -> {Message, typing_ended(Message, Instance, Config, State)};
        false -> record_message(Message, Instance, Config, State)
    end;
%% mod_lhc_border refuses most of these before.
to_visitor(Party, _, Message, _Config, {_, State})
  when Party =:= stranger; Party =:= unfit; element(1, Party) =:= operator ->
    refuse(Message, nobody, State);
to_visitor(_, _, _, _Config, Acc) ->
    Acc.

%% A message to the room of a visitor. What is said to all in it is said to the visitor. It is recorded as a private message
%% is, and goes on to the room. A private message of the room is nobody else's business.
to_elsewhere({Host, Config, Visitor, Instance}, #message{type = Type, to = #jid{lresource = <<>>}} = Message,
             {_, #{lserver := Host, jid := From} = State} = Acc) when Type =/= error ->
    case {mod_lhc_tenant:party(From, Host, Config), Type} of
        {{operator, Instance}, groupchat} ->
            mod_lhc_report:begin_reports(Instance, Config, State),
            case {mod_lhc_room:is_in(Visitor, State), is_blocked(Message, State)} of
                %% A subscriber of the room may write without being in it. Nothing is shown there that the visitor does not get.
                {false, _} -> refuse(Message, outside, State);
                {true, true} -> Acc;
                {true, false} -> record_in_room(Message, <<Visitor/binary, "@", Host/binary>>, Instance, Config, State)
            end;
        %% mod_muc would drop some of them without a word.
        {{operator, Instance}, _} when Message#message.body =/= [] -> refuse(Message, not_for_all, State);
        _ -> Acc
    end;
to_elsewhere(_, _, Acc) ->
    Acc.

record_in_room(Message, Visitor, Instance, Config, State) ->
    WithId = with_id(Message),
    Content = named_by_sender(mod_lhc_stanza:content(WithId), State),
    %% What says nothing to the visitor costs a token too, because it is routed to all in the room.
    Bucket = case Message#message.body =/= [] orelse Content =/= none of
                 true -> message;
                 false -> signal
             end,
    case mod_lhc_budget:take(Bucket, Config, State) of
        {false, Empty} when Bucket =:= message -> refuse(Message, rate, Empty);
        {false, Empty} -> {stop, {drop, Empty}};
        {true, Taken} ->
            case mod_lhc_stanza:fault(Message, maps:get(max_text_size, Config)) of
                none ->
                    case append_content(Content, Visitor, [{room, true}], Instance, Config, Taken) of
                        {error, Reason} -> refuse(Message, Reason, Taken);
                        true -> {WithId, Taken};
                        false -> {Message, Taken}
                    end;
                _ when Bucket =/= message -> {stop, {drop, Taken}};
                Fault -> refuse(Message, {fault, Fault}, Taken)
            end
    end.

%% In a room clients name another message by the id that the room has given to it (XEP-0424, XEP-0444, XEP-0461), if it
%% gives one. The service knows the sender's.
named_by_sender({Type, Fields}, State) ->
    {Type, [case Field of
                {Key, Id} when Key =:= retracts; Key =:= reactsTo; Key =:= replyTo -> {Key, mod_lhc_room:message_id(Id, State)};
                _ -> Field
            end || Field <- Fields]};
named_by_sender(none, _State) ->
    none.

%% Whether the operator blocks this visitor (XEP-0191, XEP-0016): the same question that ejabberd_c2s asks.
is_blocked(Message, #{lserver := Host} = State) ->
    ejabberd_hooks:run_fold(privacy_check_packet, Host, allow, [State, Message, out]) =:= deny.

%% Drops a recorded message that no session would receive: ejabberd would store or bounce it, and the visitor
%% gets it from the service. The archive and the carbons, which run before, have it.
drop_recorded({#message{to = To} = Message, State} = Acc) ->
    mod_lhc_log:hook(drop_recorded, Acc, fun() ->
        case is_recorded(Message) andalso not has_receiver(To) of
            true -> {stop, {drop, State}};
            false -> Acc
        end
    end);
drop_recorded(Acc) ->
    Acc.

record_message(Message, Instance, Config, State) ->
    WithId = with_id(Message),
    Content = mod_lhc_stanza:content(WithId),
    Signals = mod_lhc_stanza:signals(Message),
    %% What neither says nor signals anything costs a token too, because it is routed to the visitor.
    Bucket = case Message#message.body =/= [] orelse Content =/= none of
                 true -> message;
                 false when Signals =:= [] -> signal;
                 false -> none
             end,
    case mod_lhc_budget:take(Bucket, Config, State) of
        {false, Empty} when Bucket =:= message -> refuse(Message, rate, typing_ended(Message, Instance, Config, Empty));
        {false, Empty} -> {stop, {drop, Empty}};
        {true, Taken} ->
            case mod_lhc_stanza:fault(Message, maps:get(max_text_size, Config)) of
                none ->
                    Requests = case Content of
                                   {message, _} -> mod_lhc_stanza:requests(Message#message.id, Message#message.sub_els);
                                   _ -> []
                               end,
                    case append_content(Content, mod_lhc_report:bare(Message#message.to), Requests, Instance, Config, Taken) of
                        {error, Reason} -> refuse(Message, Reason, typing_ended(Message, Instance, Config, Taken));
                        %% A subject, a call, a headline: it says nothing to the visitor, and its sender does not type any more.
                        false when Signals =:= [] ->
                            report_signals([], false, WithId, Instance, Config, typing_ended(Message, Instance, Config, Taken));
                        IsAppended -> report_signals(Signals, IsAppended, WithId, Instance, Config, Taken)
                    end;
                _ when Bucket =/= message -> {stop, {drop, Taken}};
                Fault -> refuse(Message, {fault, Fault}, typing_ended(Message, Instance, Config, Taken))
            end
    end.

%% Such a message is not reported, but its sender does not type any more: clients send that within the message.
typing_ended(#message{to = To}, Instance, Config, State) ->
    {_, Next} = report_signal({chat_state, active}, mod_lhc_report:bare(To), Instance, Config, State),
    Next.

is_recorded(Message) ->
    xmpp:get_meta(Message, mod_lhc, undefined) =:= recorded.

%% true: the message is on disk; false: it has no text for a visitor.
append_content(none, _Visitor, _Others, _Instance, _Config, _State) ->
    false;
append_content({Type, Fields}, Visitor, Others, Instance, Config, State) ->
    #{lserver := Host, jid := From} = State,
    Stream = mod_lhc_report:stream_fields(State),
    Event = mod_lhc_report:members(Host, Type, [{from, jid:encode(From)}, {to, Visitor} | Fields ++ Others ++ Stream]),
    case mod_lhc_queues:append(Config, Instance, message, Event, ?WRITE_TIMEOUT) of
        ok -> true;
        Error -> Error
    end.

%% Reports the receipts, the marker and the chat state in a message. A message that signals too much, and says nothing, is
%% not routed either.
report_signals(Signals, IsAppended, #message{to = To} = Message, Instance, Config, State) ->
    Visitor = mod_lhc_report:bare(To),
    Before = case IsAppended of
                 %% A message implies that its sender is active.
                 true -> mod_lhc_budget:cancel({chat_state, Visitor}, State);
                 false -> State
             end,
    {AllNow, After} = lists:foldl(fun(Signal, {All, Acc}) ->
                                          {Now, Next} = report_signal(Signal, Visitor, Instance, Config, Acc),
                                          {All andalso Now, Next}
                                  end, {true, Before}, Signals),
    case {IsAppended orelse Signals =/= [], AllNow orelse Message#message.body =/= []} of
        {true, true} -> {xmpp:put_meta(Message, mod_lhc, recorded), After};
        {false, true} -> {Message, After};
        {_, false} -> {stop, {drop, After}}
    end.

%% Returns whether it was reported now, or need not be reported. Of what was not routed to this operator, receipts mean
%% nothing. A marker can be about a message of the time before a restart, so it is reported, but not often; the service
%% knows which messages there are.
report_signal({receipts, Ids}, Visitor, _Instance, #{seen := Seen} = Config, #{jid := #jid{luser = Operator}} = State) ->
    Session = mod_lhc_session:of_state(State),
    case [Id || Id <- Ids, mod_lhc_session:has_message(Visitor, Id, Session)
                               orelse mod_lhc_seen:known(Seen, Operator, Visitor, Id)] of
        [] -> {true, State};
        Known ->
            case mod_lhc_budget:take(signal, Config, State) of
                {true, Taken} ->
                    mod_lhc_report:delivered([{Visitor, Id} || Id <- Known], receipt, Config, Taken),
                    Left = lists:foldl(fun(Id, Acc) -> mod_lhc_session:remove_message(Visitor, Id, Acc) end,
                                       Session, Known),
                    {true, Taken#{mod_lhc => Left}};
                %% The answer to the ping behind the messages reports them.
                {false, Empty} -> {false, Empty}
            end
    end;
report_signal({displayed, Id}, Visitor, Instance, #{seen := Seen} = Config, #{jid := From} = State) ->
    #jid{luser = Operator} = From,
    Bucket = case mod_lhc_seen:known(Seen, Operator, Visitor, Id) of
                 true -> signal;
                 false -> slow
             end,
    Fields = [{from, jid:encode(From)}, {to, Visitor}, {id, Id}],
    mod_lhc_budget:admit({displayed, Visitor}, Bucket, {Instance, state, displayed, Fields}, Config, State);
report_signal({chat_state, Name}, Visitor, Instance, Config, #{jid := From} = State) ->
    Fields = [{from, jid:encode(From)}, {to, Visitor}, {state, Name}],
    mod_lhc_budget:admit({chat_state, Visitor}, signal, {Instance, ephemeral, chat_state, Fields}, Config, State).

with_id(#message{id = <<>>} = Message) ->
    Message#message{id = mod_lhc_uuid:text(mod_lhc_uuid:new())};
with_id(Message) ->
    Message.

%% Answers the message with an error, before the acknowledgement that covers it, and drops it. What has no text (a receipt,
%% a chat state, a bounce) is only dropped.
refuse(#message{type = error}, _Reason, State) ->
    {stop, {drop, State}};
refuse(#message{body = []} = Message, Reason, State) ->
    case mod_lhc_stanza:content(Message) of
        none -> {stop, {drop, State}};
        _ -> send_error(Message, Reason, State)
    end;
refuse(Message, Reason, State) ->
    send_error(Message, Reason, State).

send_error(#message{lang = Lang} = Message, Reason, State) ->
    {stop, {drop, ejabberd_c2s:send(State, xmpp:make_error(Message, stanza_error(Reason, Lang)))}}.

stanza_error(internal, Lang) ->
    xmpp:err_internal_server_error(<<"The message could not be recorded">>, Lang);
stanza_error(nobody, Lang) ->
    xmpp:err_item_not_found(<<"There is nobody with this address">>, Lang);
stanza_error(outside, Lang) ->
    xmpp:err_not_acceptable(<<"Enter the room first. A client can be in 20 rooms of visitors">>, Lang);
stanza_error(not_for_all, Lang) ->
    xmpp:err_not_acceptable(<<"Write to all in the room (type groupchat), or privately to one of them">>, Lang);
stanza_error({fault, Fault}, Lang) ->
    xmpp:err_policy_violation(Fault, Lang);
stanza_error(rate, Lang) ->
    xmpp:err_resource_constraint(<<"Too many messages at once. Send this one again in a few seconds">>, Lang);
stanza_error(share, Lang) ->
    xmpp:err_resource_constraint(<<"Too many of your messages are waiting. Send this one again later">>, Lang);
stanza_error(full, Lang) ->
    xmpp:err_resource_constraint(<<"Too many messages are waiting. Send this one again later">>, Lang);
stanza_error(_, Lang) ->
    xmpp:err_resource_constraint(<<"The message could not be recorded. Send it again later">>, Lang).

%% True if a message to the visitor would reach a session. If that session ends at this moment, the message goes to offline
%% storage, where drop_offline/1 drops it. A component needs no copy of what is reported, and without one a component that
%% goes at this moment makes no bounce.
has_receiver(#jid{luser = User, lserver = Server, lresource = Resource}) ->
    ejabberd_router:is_my_host(Server)
        andalso (lists:any(fun({Priority, _}) -> is_integer(Priority) andalso Priority >= 0 end,
                           ejabberd_sm:get_user_present_resources(User, Server))
                 orelse (Resource =/= <<>> andalso ejabberd_sm:get_session_pid(User, Server, Resource) =/= none)).
