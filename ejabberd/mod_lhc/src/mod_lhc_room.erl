%%% Rooms of chats: rooms of mod_muc where several operators of a tenant read a visitor's words and write to them.
%%%
%%% The room of a visitor has the visitor's local part, at `room_host`. So its address says whose it is. Elements of the
%%% namespace urn:xmpp-chat:room:1 come from the service alone (README.md): <shown/> in the room says that this is a message
%%% of the visitor; <in-room/> in a private message says that the room has the same line.
%%%
%%% The rooms that a session is in are in the state of its process: the visitor's local part, and the operator's nick. So are
%%% the ids that rooms have given to the last messages there (XEP-0359): by them a client names a message of a room that it
%%% retracts, or reacts or replies to.

-module(mod_lhc_room).

%% mod_lhc:hooks/0 lists the hooks and priorities.
-export([limit_sent/1, follow/1]).
-export([visitor/1, is_in/2, copy/2, message_id/2, is_shown/1, is_in_room/1]).
%% For tests.
-export([followed/3, remembered/3]).

-include("xmpp.hrl").

-define(NS_ROOM, <<"urn:xmpp-chat:room:1">>).
%% Rooms of visitors that a session can be in.
-define(MAX_ROOMS, 20).
%% Messages of rooms whose ids a session knows, and the length of such an id in bytes.
-define(MAX_IDS, 200).
-define(MAX_ID_BYTES, 256).

-type rooms() :: #{binary() => binary()}.
%% The ids of a message by its room and by its sender, newest first.
-type ids() :: [{binary(), binary()}].

%% Whose room an address is: the host with its configuration, and the visitor's local part and instance. none: it is no
%% room, or another one, for example that of a private chat of operators.
-spec visitor(#jid{}) -> {binary(), mod_lhc:config(), binary(), mod_lhc_names:instance()} | none.
visitor(#jid{luser = User, lserver = Server}) when User =/= <<>> ->
    case mod_lhc:room_home(Server) of
        none -> none;
        Host -> visitor(User, Host, mod_lhc:config(Host))
    end;
visitor(_) ->
    none.

visitor(User, Host, #{visitor_prefix := Prefix} = Config) ->
    Size = byte_size(Prefix),
    case User of
        <<Prefix:Size/binary, _/binary>> ->
            case mod_lhc_names:visitor(User, Prefix) of
                {ok, Instance} -> {Host, Config, User, Instance};
                _ -> none
            end;
        _ -> none
    end;
visitor(_, _, undefined) ->
    none.

%%% ---------------------------------------------------------------- what a client sends

%% Takes elements of the service out of what others send, so nobody can forge them, and lets a session enter only so many
%% rooms.
limit_sent({#message{sub_els = Els} = Message, State} = Acc) ->
    mod_lhc_log:hook(limit_sent, {stop, {drop, State}}, fun() ->
        case [El || El <- Els, xmpp:get_ns(El) =/= ?NS_ROOM] of
            Els -> Acc;
            Others ->
                case is_visitor(State) of
                    true -> Acc;
                    false -> {Message#message{sub_els = Others}, State}
                end
        end
    end);
limit_sent({#presence{type = available, to = #jid{lresource = Nick} = To, lang = Lang} = Presence, State} = Acc)
  when Nick =/= <<>> ->
    mod_lhc_log:hook(limit_sent, Acc, fun() ->
        Rooms = rooms(State),
        case map_size(Rooms) >= ?MAX_ROOMS andalso visitor(To) of
            {_, _, Visitor, _} when not is_map_key(Visitor, Rooms) ->
                Text = <<"This client is in too many rooms of visitors. Leave another one first">>,
                Error = xmpp:make_error(Presence, xmpp:err_resource_constraint(Text, Lang)),
                {stop, {drop, ejabberd_c2s:send(State, Error)}};
            _ -> Acc
        end
    end);
limit_sent(Acc) ->
    Acc.

is_visitor(#{lserver := Host, jid := #jid{luser = User}}) ->
    case mod_lhc:config(Host) of
        undefined -> false;
        #{visitor_prefix := Prefix} -> mod_lhc_names:visitor(User, Prefix) =/= no
    end.

%%% ---------------------------------------------------------------- which rooms a session is in

%% Follows the client's own presences in rooms.
follow({#presence{type = Type, from = #jid{lresource = Nick} = From} = Presence, State} = Acc)
  when Nick =/= <<>>, Type =:= available orelse Type =:= unavailable ->
    mod_lhc_log:hook(follow, Acc, fun() ->
        case visitor(From) of
            {_, _, Visitor, _} ->
                Codes = case xmpp:get_subtag(Presence, #muc_user{}) of
                            #muc_user{status_codes = Some} -> Some;
                            _ -> []
                        end,
                {Presence, set(mod_lhc_rooms, followed({Type, Codes, Nick}, Visitor, rooms(State)), #{}, State)};
            none -> Acc
        end
    end);
%% A message of a room, the client's own one included.
follow({#message{type = groupchat, id = Id, from = From} = Message, State} = Acc) when Id =/= <<>> ->
    mod_lhc_log:hook(follow, Acc, fun() ->
        case visitor(From) of
            {_, _, _, _} ->
                Next = lists:foldl(fun(StanzaId, Ids) -> remembered(StanzaId, Id, Ids) end, ids(State),
                                   stanza_ids(Message, jid:encode(jid:remove_resource(From)))),
                {Message, set(mod_lhc_room_ids, Next, [], State)};
            none -> Acc
        end
    end);
follow(Acc) ->
    Acc.

stanza_ids(#message{sub_els = Els}, Room) ->
    [fxml:get_tag_attr_s(<<"id">>, Xml) || El <- Els, xmpp:get_ns(El) =:= ?NS_SID_0,
                                           #xmlel{name = <<"stanza-id">>} = Xml <- [xmpp:encode(El)],
                                           fxml:get_tag_attr_s(<<"by">>, Xml) =:= Room].

%% Copies, because a part of a stanza's text would keep all of it.
-spec remembered(binary(), binary(), ids()) -> ids().
remembered(StanzaId, Id, Ids)
  when StanzaId =:= <<>>; byte_size(StanzaId) > ?MAX_ID_BYTES; byte_size(Id) > ?MAX_ID_BYTES ->
    Ids;
remembered(StanzaId, Id, Ids) ->
    lists:sublist([{binary:copy(StanzaId), binary:copy(Id)} | lists:keydelete(StanzaId, 1, Ids)], ?MAX_IDS).

%% The sender's id of the message that a client in the room names.
-spec message_id(binary(), ejabberd_c2s:state()) -> binary().
message_id(Named, State) ->
    proplists:get_value(Named, ids(State), Named).

%% The rooms after a presence of this nick in the room of this visitor (XEP-0045). 110: it is the client's own. 303: the
%% nick changes, and an available presence of the new one follows. A room that is destroyed sends no 110.
-spec followed({available | unavailable, [pos_integer()], binary()}, binary(), rooms()) -> rooms().
followed({available, Codes, Nick}, Visitor, Rooms) ->
    case lists:member(110, Codes) andalso (is_map_key(Visitor, Rooms) orelse map_size(Rooms) < ?MAX_ROOMS) of
        true -> Rooms#{Visitor => Nick};
        false -> Rooms
    end;
followed({unavailable, Codes, Nick}, Visitor, Rooms) ->
    IsOwn = lists:member(110, Codes) orelse maps:get(Visitor, Rooms, none) =:= Nick,
    case IsOwn andalso not lists:member(303, Codes) of
        true -> maps:remove(Visitor, Rooms);
        false -> Rooms
    end.

%% True if the session is in the room of this visitor, by their local part.
-spec is_in(binary(), ejabberd_c2s:state()) -> boolean().
is_in(Visitor, State) ->
    is_map_key(Visitor, rooms(State)).

%% This process resumes the session of another one, whose state the first one is.
-spec copy(ejabberd_c2s:state(), ejabberd_c2s:state()) -> ejabberd_c2s:state().
copy(Old, State) ->
    set(mod_lhc_room_ids, ids(Old), [], set(mod_lhc_rooms, rooms(Old), #{}, State)).

rooms(State) -> maps:get(mod_lhc_rooms, State, #{}).

ids(State) -> maps:get(mod_lhc_room_ids, State, []).

set(Key, Empty, Empty, State) -> maps:remove(Key, State);
set(Key, Value, _Empty, State) -> State#{Key => Value}.

%%% ---------------------------------------------------------------- what the service has written

%% True if this message of a room is a message of its visitor.
-spec is_shown(message()) -> boolean().
is_shown(Message) ->
    has_element(<<"shown">>, Message).

%% True if the room of the visitor has this private message too.
-spec is_in_room(message()) -> boolean().
is_in_room(Message) ->
    has_element(<<"in-room">>, Message).

has_element(Name, #message{sub_els = Els}) ->
    lists:any(fun(#xmlel{name = Other} = El) -> Other =:= Name andalso xmpp:get_ns(El) =:= ?NS_ROOM;
                 (_) -> false
              end, Els).
